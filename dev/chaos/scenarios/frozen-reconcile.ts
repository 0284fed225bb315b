import { launch } from '../campaign';
import { freezeCaller, freezeWaiting, lookAt, positionsOf, thawLate, type Trap } from '../freeze';
import { untilSettled } from '../lanes';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  untilShare,
  type Run,
  type Scenario,
} from '../scenario';
import type { VendorPromise } from '../vendor-promises';

/** A way in which a worker finds out what became of the people whom a dead one has left in `sending`. */
interface Way {
  name: string;
  about: string;
  promise: VendorPromise;
  trap: Pick<Trap, 'fn' | 'isGivenUp'>;
}

const WAYS: readonly Way[] = [
  {
    name: 'repeat',
    about: 'while it marks them again, to repeat them with their keys, and has not yet called',
    promise: 'keys',
    trap: { fn: 'dispatch_remark' },
  },
  {
    name: 'lookup',
    about: 'while it writes down what the vendor has answered about them',
    promise: 'lookup',
    trap: { fn: 'dispatch_settle' },
  },
  {
    name: 'old-answer',
    about: "between the vendor's answer about them and the writing down of it, which is given up",
    promise: 'lookup',
    trap: { fn: 'dispatch_settle', isGivenUp: true },
  },
];

/** Nobody else waits for these rows: they are the dead worker's, and a reconcile is what touches them next. */
const ROWS = `SELECT FROM communications
  WHERE source_id = $1 AND position = ANY ($2) AND state = 'sending' FOR UPDATE`;

async function runReconcile(run: Run, { promise, trap }: Way): Promise<void> {
  const { arena, random, recipients, score } = run;
  const { sandbox } = arena.place;
  const office = await openSlowOffice(run, 15, { promise, latencyMs: 400 });
  await sandbox.configure({ journal: true });
  const campaign = await launch(office, recipients);
  await untilShare(run, { share: random.between(0.05, 0.6), total: messagesOf(campaign) });
  // Frozen before it is killed, so that what is read now is what it leaves.
  const { worker: dead, holding } = await freezeCaller(run, campaign);
  const values = [campaign.executionId, holding.sending];
  const heir = await freezeWaiting(run, { ...trap, lock: ROWS, values }, () =>
    arena.replaceWorker(dead),
  );
  let thawedAtMs = Infinity;
  await thawLate(run, office, campaign, await lookAt(run, campaign, heir), {
    async before() {
      await untilSettled(arena.place, campaign, holding.sending, STEP_WITHIN_MS);
      thawedAtMs = Date.now();
    },
  });
  const journal = await sandbox.journal();
  const late = positionsOf(
    campaign,
    journal.filter(({ receivedAt }) => receivedAt > thawedAtMs),
  );
  score.holds(
    'who comes back calls nobody who was settled meanwhile',
    !holding.sending.some((position) => late.has(position)),
  );
}

const title = (about: string): string =>
  `A worker dies with calls under way, and SIGSTOP for whoever takes over, ${about}.`;

export const reconcileScenarios: readonly Scenario[] = WAYS.map((way) => ({
  name: `frozen-${way.name}`,
  about: title(way.about),
  run: (run) => runReconcile(run, way),
}));
