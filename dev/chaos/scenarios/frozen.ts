import { setTimeout as delay } from 'node:timers/promises';
import { LEASE_MS, MISSED_AFTER_MS, SILENCE_MS } from '../arena';
import {
  approve,
  audienceFile,
  audiencePath,
  createDraft,
  untilFinished,
  type Launched,
  type Office,
} from '../campaign';
import { holdLock } from '../locks';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  watchRecovery,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';

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

/** What is to be waited for: the lock, and the function in which a worker waits for it. */
type Trap = Pick<Step, 'fn' | 'lock'> & { values: unknown[] };

const TRIES = 12;
const TRY_MS = 5_000;

/** SIGSTOP for the worker that waits there; then its statement goes on, and it does not hear of it. */
async function freezeWaiting(
  { arena }: Run,
  { fn, lock, values }: Trap,
  begin: () => Promise<unknown> = () => Promise.resolve(),
): Promise<string> {
  const held = await holdLock(arena.place.adminUrl, lock, values);
  try {
    await begin();
    for (let tries = 1; ; tries += 1) {
      try {
        const name = await held.waiter('worker', fn, TRY_MS);
        freeze(arena, name);
        return name;
      } catch (error) {
        if (tries === TRIES) throw error;
        // When it was taken, every lane may have been at another step that waits for it.
        await held.retake();
      }
    }
  } finally {
    await held.release();
  }
}

function freeze({ workers }: Run['arena'], name: string): void {
  const worker = workers.find((each) => each.name === name);
  if (worker === undefined) throw new Error(`${name} is not one of the workers.`);
  worker.freeze();
}

/** Continues the worker once the engine has missed it and its leases are over, with the campaign under way or not. */
async function thawLate(run: Run, office: Office, campaign: Launched, name: string): Promise<void> {
  const { arena, random } = run;
  const frozenForMs = MISSED_AFTER_MS + random.between(LEASE_MS, SILENCE_MS + LEASE_MS);
  await Promise.all([
    delay(frozenForMs),
    watchRecovery(run, messagesOf(campaign), office, [campaign]),
  ]);
  run.say(`  ${name} continues after ${(frozenForMs / 1_000).toFixed(1)} s`);
  const worker = arena.workers.find((each) => each.name === name);
  worker?.thaw();
  await worker?.untilReady();
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  // For whatever the one who came back may still do.
  await delay(SILENCE_MS);
  await settleUp(run, office, [campaign]);
}

async function prepare(office: Office, recipients: number) {
  const { id } = await createDraft(office);
  await office.operator.put(audiencePath(id), audienceFile(recipients), 'text/csv');
  await office.operator.post(`/v1/campaigns/${id}/submit`);
  return { id, recipients };
}

/** Fast enough never to be waited for, but there to be asked. */
const RATE_PER_SECOND = 50_000;

async function runFrozen(run: Run, step: Step): Promise<void> {
  const { random, recipients } = run;
  const office = await openSlowOffice(run, 15, { ratePerSecond: RATE_PER_SECOND });
  const campaign = await approve(office, await prepare(office, recipients));
  const [share, total] = [random.between(0.05, 0.6), messagesOf(campaign)];
  let name = '';
  await strikeAt(run, { share, total, what: `a worker frozen ${step.about}` }, async () => {
    const { fn, lock } = step;
    name = await freezeWaiting(run, { fn, lock, values: step.values(campaign, office) });
  });
  await thawLate(run, office, campaign, name);
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
      const name = await freezeWaiting(run, { fn: 'dispatch_claim', lock, values }, async () => {
        campaign = await approve(office, prepared);
      });
      if (campaign === undefined) throw new Error('Nothing was approved.');
      const { unique } = await run.arena.place.sandbox.totals();
      if (unique < messagesOf(campaign)) run.score.hits += 1;
      await thawLate(run, office, campaign, name);
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
      const { arena, random, recipients } = run;
      const office = await openSlowOffice(run, 15, { latencyMs: 400 });
      const campaign = await approve(office, await prepare(office, recipients));
      const [share, total] = [random.between(0.05, 0.6), messagesOf(campaign)];
      const worker = arena.workers[random.whole(0, arena.workers.length - 1)];
      const name = worker?.name ?? '';
      await strikeAt(run, { share, total, what: `${name} frozen` }, () =>
        Promise.resolve(freeze(arena, name)),
      );
      await thawLate(run, office, campaign, name);
    },
  },
];
