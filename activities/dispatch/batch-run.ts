import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { noteWaiting } from '../../prisma/campaign-executions';
import { markPeople, type HeldBatch, type MarkResult } from '../../prisma/dispatch/messages';
import { sqlState } from '../../prisma/errors';
import { withTenant } from '../../prisma/tenant';
import type { CallReport } from './assess';
import { endAfter, INLINE_WAIT_MS, type BatchEnd } from './batch-end';
import { callAndSettle, createLease, SAFETY_MS, settleUntilDone, type MarkedCall } from './call';
import { findLostMark } from './lost-mark';
import { callableForMs, closedZones } from './send-time';
import { countGated, countWait } from './tally';
import type { Turn } from './turn';

/** The batch goes on after a moment, for which nobody else has to wait. */
interface Pause {
  kind: 'pause';
  waitMs: number;
}

/** Micro-batches of one lane that are with the vendor while the next one is marked. */
const PIPELINE = 2;

/** The calls of a batch that are under way, and what those that have ended taught. */
interface Calls {
  running: Set<Promise<void>>;
  reports: CallReport[];
  errors: unknown[];
}

/** Marks, calls and settles micro-batches until the batch has nobody left to mark, or something ends the work. */
export async function runBatch(turn: Turn, batch: HeldBatch): Promise<BatchEnd> {
  const calls: Calls = { running: new Set(), reports: [], errors: [] };
  const { running, reports, errors } = calls;
  let end: BatchEnd | undefined;
  try {
    while (end === undefined) {
      end = turn.isOver()
        ? { kind: 'interrupted' }
        : (endOf(reports) ?? (await markNext(turn, batch, calls)));
      if (running.size >= PIPELINE) await Promise.race(running);
      if (errors.length > 0) throw errors[0];
    }
  } finally {
    // Whatever ended the work: nobody may hear of the batch while its calls are still being written down.
    await Promise.all(running);
  }
  if (errors.length > 0) throw errors[0];
  const learned = endOf(reports);
  return end.kind === 'finished' || end.kind === 'interrupted' ? (learned ?? end) : end;
}

function begin({ running, reports, errors }: Calls, call: Promise<CallReport>): void {
  const task: Promise<void> = call
    .then((report) => void reports.push(report))
    .catch((error: unknown) => void errors.push(error))
    .finally(() => running.delete(task));
  running.add(task);
}

/** One round, when it is the company's turn in this process. Answers how the batch ends, or nothing to go on. */
async function markNext(turn: Turn, batch: HeldBatch, calls: Calls): Promise<BatchEnd | undefined> {
  const places = await turn.share.enter(turn.execution.companyId, turn.settings.microBatch);
  let called = 0;
  const call = (marked: MarkedCall): void => {
    called = marked.people.length;
    begin(
      calls,
      callAndSettle(turn, batch, marked).finally(() => places.keep(0)),
    );
  };
  const end = await markWithin(turn, batch, call).finally(() => places.keep(called));
  if (end?.kind !== 'pause') return end;
  await delay(end.waitMs);
  return undefined;
}

/** Tokens, mark, and the calls set going. */
async function markWithin(
  turn: Turn,
  batch: HeldBatch,
  call: (marked: MarkedCall) => void,
): Promise<BatchEnd | Pause | undefined> {
  const grant = await turn.pace.take();
  if (grant.count === 0) {
    if (grant.waitMs > INLINE_WAIT_MS)
      return { kind: 'wait', reason: grant.reason, waitMs: grant.waitMs };
    countWait(grant.reason, grant.waitMs);
    return { kind: 'pause', waitMs: grant.waitMs };
  }
  const leaseMs = callableForMs(turn.execution, Date.now(), turn.settings.leaseMs);
  if (leaseMs <= SAFETY_MS) {
    // The deadline, or the end of a window, is too near for anybody to be called.
    await turn.pace.giveBack(grant.count);
    return { kind: 'pause', waitMs: leaseMs };
  }
  const lease = createLease(leaseMs);
  const markId = randomUUID();
  const marked = await mark(turn, batch, { markId, leaseMs, limit: grant.count });
  if (marked.outcome !== 'marked') {
    await turn.pace.giveBack(grant.count);
    return { kind: marked.outcome };
  }
  countGated(turn.account.provider.name, marked.gated);
  await turn.pace.giveBack(grant.count - marked.people.length);
  if (marked.people.length > 0) {
    await clearWaiting(turn);
    call({ markId, lease, people: marked.people, isRepeat: false });
  }
  if (marked.short) return { kind: 'short' };
  return marked.more ? undefined : { kind: 'finished' };
}

/** Marks as many as granted; a row that the database cannot take is found by halving and skipped alone. */
async function mark(
  turn: Turn,
  batch: HeldBatch,
  { markId, leaseMs, limit }: { markId: string; leaseMs: number; limit: number },
): Promise<MarkResult> {
  const { db, execution, account } = turn;
  const input = {
    markId,
    leaseMs,
    credentialVersion: account.version,
    closedZones: closedZones(execution, Date.now()),
  };
  for (let size = limit; ; size = Math.floor(size / 2)) {
    try {
      return await markPeople(db, batch, { ...input, limit: Math.max(1, size), badRow: size < 1 });
    } catch (error) {
      if (sqlState(error)?.startsWith('22') === true && size >= 1) continue;
      await putBackLostMark(turn, batch, markId);
      throw error;
    }
  }
}

/** A mark whose acknowledgement was lost may have been committed: its people were surely not called. */
async function putBackLostMark(turn: Turn, batch: HeldBatch, markId: string): Promise<void> {
  const positions = await findLostMark(turn, batch, markId);
  const settlements = positions.map((position) => ({
    position,
    outcome: 'queued' as const,
    code: 'mark_lost',
  }));
  await settleUntilDone(turn, batch, markId, settlements);
}

async function clearWaiting(turn: Turn): Promise<void> {
  const { db, execution } = turn;
  if (execution.waitingReason === null) return;
  execution.waitingReason = null;
  await withTenant(db, execution.companyId, (tx) => noteWaiting(tx, execution.id, null));
}

/** The first end that what was learned calls for; all of it is forgotten when there is none. */
function endOf(reports: CallReport[]): BatchEnd | undefined {
  for (const report of reports) {
    const end = endAfter(report);
    if (end !== undefined) return end;
  }
  reports.length = 0;
  return undefined;
}
