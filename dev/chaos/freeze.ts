import { setTimeout as delay } from 'node:timers/promises';
import { parseReference } from '../../domain/communications';
import { LEASE_MS, SILENCE_MS } from './arena';
import { untilFinished, type Launched, type Office } from './campaign';
import { readHolding, untilQuiet, untilReplaced, type Holding } from './lanes';
import { holdLock } from './locks';
import type { RegenteProcess } from './processes';
import { messagesOf, STEP_WITHIN_MS, watchRecovery, type Run } from './scenario';
import { settleUp } from './settle-up';
import { until } from './until';

/** A worker that stands still. */
export interface Frozen {
  worker: RegenteProcess;
  /** Read when its last statement had ended: until it continues, whatever changes there is the work of others. */
  holding: Holding;
}

/** What is to be waited for: a lock, and the function of the database in which a worker waits for it. */
export interface Trap {
  fn: string;
  lock: string;
  values: readonly unknown[];
  /** Holds the lock until the database has given the statement up; else it goes on, and the worker does not hear of it. */
  isGivenUp?: boolean;
}

const TRIES = 12;
const TRY_MS = 5_000;

const thawAndThrow =
  (worker: RegenteProcess) =>
  (error: unknown): never => {
    worker.thaw();
    throw error;
  };

/** SIGSTOP for the worker that waits there. Then the lock is let go. */
export async function freezeWaiting(
  { arena }: Run,
  { fn, lock, values, isGivenUp = false }: Trap,
  begin: () => Promise<unknown> = () => Promise.resolve(),
): Promise<RegenteProcess> {
  const held = await holdLock(arena.place.adminUrl, lock, values);
  try {
    await begin();
    for (let tries = 1; ; tries += 1) {
      try {
        const name = await held.waiter('worker', fn, TRY_MS);
        const worker = arena.workers.find((each) => each.name === name);
        if (worker === undefined) throw new Error(`${name} is not one of the workers.`);
        worker.freeze();
        if (isGivenUp) await untilQuiet(arena.place, worker).catch(thawAndThrow(worker));
        return worker;
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

/** The same until it is one with work left: another one may be frozen with the last batch of its only lane closed. */
export async function freezeHolder(run: Run, campaign: Launched, trap: Trap): Promise<Frozen> {
  for (let tries = 1; ; tries += 1) {
    const worker = await freezeWaiting(run, trap);
    const frozen = await lookAt(run, campaign, worker);
    if (frozen.holding.lanes.length > 0 || tries === TRIES) return frozen;
    run.say(`  ${worker.name} has nothing left to do and continues`);
    worker.thaw();
  }
}

/** What a worker that was frozen in a trap has in its hands. */
export async function lookAt(
  { arena }: Run,
  campaign: Launched,
  worker: RegenteProcess,
): Promise<Frozen> {
  await untilQuiet(arena.place, worker);
  return { worker, holding: await readHolding(arena.place, campaign, worker) };
}

/**
 * SIGSTOP for a worker with people in `sending` of whom the vendor has some and has not others, whichever worker it is.
 */
export async function freezeCaller(run: Run, campaign: Launched): Promise<Frozen> {
  const { arena, random, say } = run;
  let frozen: Frozen | undefined;
  await until('a worker with calls under way is frozen', async () => {
    const worker = arena.workers[random.whole(0, arena.workers.length - 1)];
    if (worker === undefined) throw new Error('No worker runs.');
    worker.freeze();
    const seen = await lookAt(run, campaign, worker);
    const { sending } = seen.holding;
    const taken = positionsOf(campaign, await arena.place.sandbox.accepted());
    const untaken = sending.filter((position) => !taken.has(position)).length;
    say(`  ${worker.name} frozen with ${sending.length} people, ${untaken} unknown to the vendor`);
    if (untaken > 0 && untaken < sending.length) frozen = seen;
    else worker.thaw();
    return frozen !== undefined;
  });
  if (frozen === undefined) throw new Error('No worker is frozen.');
  return frozen;
}

/** The people of a campaign among those references. */
export function positionsOf(
  { executionId }: Launched,
  messages: readonly { reference: string }[],
): Set<number> {
  return new Set(
    messages.flatMap(({ reference }) => {
      const key = parseReference(reference);
      return key?.sourceId === executionId ? [key.position] : [];
    }),
  );
}

interface Thawing {
  /** What must be so before it continues, beside another worker in its place. */
  before?: () => Promise<unknown>;
}

/**
 * Continues the worker once the engine has missed it, another one has claimed what it holds, and its leases are over,
 * with the campaign under way or not; that is a hit. Judges the campaign at its end.
 */
export async function thawLate(
  run: Run,
  office: Office,
  campaign: Launched,
  { worker, holding }: Frozen,
  { before = () => Promise.resolve() }: Thawing = {},
): Promise<void> {
  const { arena, random, score, say } = run;
  if (holding.lanes.length === 0) throw new Error('The frozen worker holds no lane.');
  const began = performance.now();
  await Promise.all([
    untilReplaced(arena.place, campaign, holding, STEP_WITHIN_MS),
    watchRecovery(run, messagesOf(campaign), office, [campaign]),
  ]);
  score.hits += 1;
  const replacedMs = performance.now() - began;
  await delay(random.between(LEASE_MS, SILENCE_MS + LEASE_MS));
  await before();
  const [replaced, frozen] = [replacedMs, performance.now() - began].map((ms) =>
    (ms / 1_000).toFixed(1),
  );
  say(`  ${worker.name} is replaced after ${replaced} s and continues after ${frozen} s`);
  worker.thaw();
  await worker.untilReady();
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  // For whatever the one who came back may still do.
  await delay(SILENCE_MS);
  await settleUp(run, office, [campaign]);
}
