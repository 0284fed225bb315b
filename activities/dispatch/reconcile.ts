import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageReference } from '../../domain/communications';
import { graceAfterLeaseMs, MOST_TRIES, pauseAfterMs, reconcileStep } from '../../domain/reconcile';
import {
  listOpenRows,
  remarkPeople,
  type HeldBatch,
  type OpenRow,
  type Settlement,
} from '../../prisma/dispatch/messages';
import type { LookupResult } from '../../providers/messaging/port';
import { endAfter, INLINE_WAIT_MS, type BatchEnd } from './batch-end';
import { callAndSettle, createLease, SAFETY_MS, settleUntilDone } from './call';
import { callableForMs, repeatableFromMs } from './send-time';
import type { Turn } from './turn';

export type ReconcileEnd =
  | { kind: 'clean' }
  | Extract<BatchEnd, { kind: 'stopped' | 'fenced' | 'wait' | 'interrupted' | 'refused' }>
  /** Nothing can be found out before `waitMs` are over. */
  | { kind: 'later'; waitMs: number };

const RETRY_MS = 5_000;
/** Without a pause; more than any batch needs, so whoever gets here finds out nothing (fenced, most likely). */
const MOST_STEPS = 100;

/**
 * Finds out what became of a held batch's rows in `sending` (ARCHITECTURE.md, After a crash): repeated with the same
 * key, looked up, or declared unknown, by what the vendor promises. Rows of a caller that may still be calling are
 * waited for.
 */
export async function reconcileBatch(
  turn: Turn,
  batch: HeldBatch,
  { mayRepeat }: { mayRepeat: boolean },
): Promise<ReconcileEnd> {
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const { rows, nowMs } = await listOpenRows(turn.db, batch);
    if (rows.length === 0) return { kind: 'clean' };
    const plan = sortRows(turn, rows, nowMs, mayRepeat);
    const waitMs = Math.max(0, plan.dueAtMs - nowMs);
    if (waitMs > INLINE_WAIT_MS || turn.isOver()) return { kind: 'later', waitMs };
    await delay(waitMs);
    const end = waitMs > 0 ? undefined : await takeSteps(turn, batch, plan);
    if (end !== undefined) return end;
  }
  return { kind: 'later', waitMs: RETRY_MS };
}

interface ReconcilePlan {
  repeats: OpenRow[];
  lookups: OpenRow[];
  unknowns: OpenRow[];
  /** When the first thing can be done. */
  dueAtMs: number;
}

/** What to do about which rows now; those of a caller that may still be calling, and those that need time, wait. */
function sortRows(
  turn: Turn,
  rows: readonly OpenRow[],
  nowMs: number,
  mayRepeat: boolean,
): ReconcilePlan {
  const { account, execution } = turn;
  const promises = account.provider.capabilities;
  const openMs = repeatableFromMs(execution, nowMs);
  // Rather asked now than repeated when the window opens.
  const isOpen = openMs !== null && (openMs <= nowMs || promises.lookup === false);
  const situation = {
    promises,
    credentialVersion: account.version,
    nowMs,
    mayRepeat: mayRepeat && isOpen,
  };
  const plan: ReconcilePlan = { repeats: [], lookups: [], unknowns: [], dueAtMs: Infinity };
  for (const row of rows) {
    const endedAtMs = lastCallEndedAtMs(turn, row, nowMs);
    const step = reconcileStep({ ...row, endedAtMs }, situation);
    const stepAtMs = step.kind === 'unknown' ? 0 : step.notBeforeMs;
    const allowedAtMs = step.kind === 'repeat' ? (openMs ?? 0) : 0;
    const dueAtMs = Math.max(endedAtMs, stepAtMs, allowedAtMs);
    plan.dueAtMs = Math.min(plan.dueAtMs, dueAtMs);
    if (dueAtMs > nowMs) continue;
    if (step.kind === 'repeat') plan.repeats.push(row);
    else if (step.kind === 'lookup') plan.lookups.push(row);
    else plan.unknowns.push(row);
  }
  return plan;
}

/** After which moment, by the database's clock, nobody is calling for this row any more. */
function lastCallEndedAtMs(turn: Turn, row: OpenRow, nowMs: number): number {
  const seenMs = turn.endedMarks.get(row.markId);
  return seenMs === undefined
    ? row.callBeforeMs + graceAfterLeaseMs(turn.settings.providerTimeoutMs) + 1
    : nowMs - Math.floor(performance.now() - seenMs);
}

async function takeSteps(
  turn: Turn,
  batch: HeldBatch,
  { unknowns, lookups, repeats }: ReconcilePlan,
): Promise<ReconcileEnd | undefined> {
  await settleRows(turn, batch, unknowns, ({ position }) => ({
    position,
    outcome: 'unknown',
    code: 'no_answer',
  }));
  const asked = await lookUp(turn, batch, lookups);
  if (!asked) return { kind: 'later', waitMs: RETRY_MS };
  return repeats.length === 0 ? undefined : repeat(turn, batch, repeats);
}

async function repeat(
  turn: Turn,
  batch: HeldBatch,
  rows: OpenRow[],
): Promise<ReconcileEnd | undefined> {
  const { settings } = turn;
  const leaseMs = callableForMs(turn.execution, Date.now(), settings.leaseMs);
  if (leaseMs <= SAFETY_MS) {
    await delay(leaseMs);
    return undefined;
  }
  const lease = createLease(leaseMs);
  const markId = randomUUID();
  const marked = await remarkPeople(turn.db, batch, {
    markId,
    positions: rows.slice(0, settings.microBatch).map((row) => row.position),
    endedMarks: [...turn.endedMarks.keys()],
    leaseMs,
    graceMs: graceAfterLeaseMs(settings.providerTimeoutMs),
  });
  if (marked.outcome !== 'marked') return { kind: marked.outcome };
  if (marked.people.length === 0) return undefined;
  const report = await callAndSettle(turn, batch, {
    markId,
    lease,
    people: marked.people,
    isRepeat: true,
  });
  return endAfter(report);
}

/** Asks the vendor by our reference. False when it could not be asked. */
async function lookUp(turn: Turn, batch: HeldBatch, rows: OpenRow[]): Promise<boolean> {
  const { account, execution } = turn;
  const { lookup } = account.provider.capabilities;
  if (rows.length === 0 || lookup === false || account.provider.lookup === undefined) return true;
  const answers = await account.provider.lookup(
    rows.map(({ position }) =>
      messageReference({
        ledgerMonth: execution.ledgerMonth,
        sourceId: execution.id,
        position,
        step: 0,
        channel: execution.channel,
      }),
    ),
  );
  const found = new Map(rows.map((row, i) => [row, answers[i]]));
  const answered = rows.filter((row) => found.get(row)?.kind !== 'unavailable');
  await settleRows(turn, batch, answered, (row) =>
    lookedUp(row, found.get(row), lookup.authoritative),
  );
  return answered.length > 0;
}

function lookedUp(
  { position, tries }: OpenRow,
  answer: LookupResult | undefined,
  authoritative: boolean,
): Settlement {
  if (answer?.kind === 'found') return { position, outcome: 'sent', providerId: answer.providerId };
  if (!authoritative) return { position, outcome: 'unknown', code: 'not_found' };
  // Not taken for certain: the gate decides again, as for anybody who waits. But not for ever.
  if (tries < MOST_TRIES)
    return { position, outcome: 'queued', code: 'not_found', delayMs: pauseAfterMs(tries) };
  return { position, outcome: 'failed', code: 'no_answer', permanent: false };
}

/** Rows whose calls this process has seen end are settled by their own mark; others as the holder of the fence. */
async function settleRows(
  turn: Turn,
  batch: HeldBatch,
  rows: readonly OpenRow[],
  make: (row: OpenRow) => Settlement,
): Promise<void> {
  const byMark = new Map<string | null, Settlement[]>();
  for (const row of rows) {
    const markId = turn.endedMarks.has(row.markId) ? row.markId : null;
    byMark.set(markId, [...(byMark.get(markId) ?? []), make(row)]);
  }
  for (const [markId, settlements] of byMark)
    await settleUntilDone(turn, batch, markId, settlements);
}
