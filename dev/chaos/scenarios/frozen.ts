import {
  approve,
  audienceFile,
  audiencePath,
  createDraft,
  type Launched,
  type Office,
} from '../campaign';
import { freezeCaller, freezeHolder, freezeWaiting, lookAt, thawLate } from '../freeze';
import { messagesOf, openSlowOffice, untilShare, type Run, type Scenario } from '../scenario';

/** A step of the dispatch at which a worker is frozen: it waits there for a lock that the chaos holds. */
interface Step {
  name: string;
  about: string;
  /** The function of the database in which it waits. */
  fn: string;
  lock: string;
  values: (campaign: Launched, office: Office) => unknown[];
}

const STEPS: readonly Step[] = [
  {
    name: 'tokens',
    about: 'while it takes rate tokens',
    fn: 'take_tokens',
    lock: 'LOCK TABLE rate_buckets IN EXCLUSIVE MODE',
    values: () => [],
  },
  {
    name: 'mark',
    about: 'while it marks people, who are then marked and not called',
    fn: 'dispatch_mark',
    lock: 'SELECT pg_advisory_xact_lock(execution_lock($1))',
    values: ({ executionId }) => [executionId],
  },
  {
    name: 'settle',
    about: 'while it writes down what the vendor has answered',
    fn: 'dispatch_settle',
    lock: 'SELECT FROM dispatch_batches WHERE execution_id = $1 FOR UPDATE',
    values: ({ executionId }) => [executionId],
  },
  {
    name: 'close',
    about: 'while it closes a batch and gives money back',
    fn: 'dispatch_close',
    lock: 'SELECT FROM budgets WHERE id = $1 FOR UPDATE',
    values: (_, { account }) => [account.budgetId],
  },
];

async function prepare(office: Office, recipients: number) {
  const { id } = await createDraft(office);
  await office.operator.put(audiencePath(id), audienceFile(recipients), 'text/csv');
  await office.operator.post(`/v1/campaigns/${id}/submit`);
  return { id, recipients };
}

/** Fast enough never to be waited for, but there to be asked. */
const RATE_PER_SECOND = 50_000;

async function runFrozen(run: Run, { fn, lock, values }: Step): Promise<void> {
  const { random, recipients } = run;
  const office = await openSlowOffice(run, 15, { ratePerSecond: RATE_PER_SECOND });
  const campaign = await approve(office, await prepare(office, recipients));
  await untilShare(run, { share: random.between(0.05, 0.6), total: messagesOf(campaign) });
  const trap = { fn, lock, values: values(campaign, office) };
  await thawLate(run, office, campaign, await freezeHolder(run, campaign, trap));
}

const title = (about: string): string =>
  `SIGSTOP for one of two workers ${about}, SIGCONT after heartbeat timeout and lease.`;

export const frozenScenarios: readonly Scenario[] = [
  {
    name: 'frozen-claim',
    about: title('while it claims a batch, before anything is sent'),
    async run(run) {
      const office = await openSlowOffice(run, 15);
      const prepared = await prepare(office, run.recipients);
      let campaign: Launched | undefined;
      const lock = 'SELECT FROM budgets WHERE id = $1 FOR UPDATE';
      const values = [office.account.budgetId];
      const worker = await freezeWaiting(run, { fn: 'dispatch_claim', lock, values }, async () => {
        campaign = await approve(office, prepared);
      });
      if (campaign === undefined) throw new Error('Nothing was approved.');
      await thawLate(run, office, campaign, await lookAt(run, campaign, worker));
    },
  },
  ...STEPS.map((step) => ({
    name: `frozen-${step.name}`,
    about: title(step.about),
    run: (run: Run) => runFrozen(run, step),
  })),
  {
    name: 'frozen-calls',
    about: title('while its calls are with the vendor and more wait for a connection'),
    async run(run) {
      const { random, recipients } = run;
      const office = await openSlowOffice(run, 15, { latencyMs: 400 });
      const campaign = await approve(office, await prepare(office, recipients));
      await untilShare(run, { share: random.between(0.05, 0.6), total: messagesOf(campaign) });
      await thawLate(run, office, campaign, await freezeCaller(run, campaign));
    },
  },
];
