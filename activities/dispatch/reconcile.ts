import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageReference } from '../../domain/communications';
import { reconcileStep } from '../../domain/reconcile';
import {
  listOpenRows,
  remarkPeople,
  type HeldBatch,
  type OpenRow,
  type Settlement,
} from '../../prisma/dispatch/messages';
import type { LookupResult } from '../../providers/messaging/port';
import type { BatchEnd } from './batch-run';
import { callAndSettle, createLease, settleUntilDone } from './call';
import { graceMs, type Turn } from './turn';

export type ReconcileEnd =
  | { kind: 'clean' }
  | Extract<BatchEnd, { kind: 'stopped' | 'fenced' | 'wait' }>;

const INLINE_WAIT_MS = 1_500;
/** Repeats within one turn; a vendor that stays ambiguous is asked again later. */
const ROUNDS = 4;
const RETRY_MS = 5_000;

/**
 * Finds out what became of a held batch's rows in `sending` (protocol §5): repeated with the same key, looked up, or
 * declared unknown, by what the vendor promises. Rows of a caller that may still be calling are waited for.
 */
export async function reconcileBatch(
  turn: Turn,
  batch: HeldBatch,
  { mayRepeat }: { mayRepeat: boolean },
): Promise<ReconcileEnd> {
  for (let round = 0; round < ROUNDS;) {
    const { rows, nowMs } = await listOpenRows(turn.db, batch);
    if (rows.length === 0) return { kind: 'clean' };
    const ready = rows.filter((row) => readyAtMs(turn, row) <= nowMs);
    if (ready.length === 0) {
      const waitMs = Math.min(...rows.map((row) => readyAtMs(turn, row))) - nowMs + 10;
      if (waitMs > INLINE_WAIT_MS || turn.isOver())
        return { kind: 'wait', reason: 'reconcile', waitMs };
      await delay(waitMs);
      continue;
    }
    const end = await takeSteps(turn, batch, ready, nowMs, mayRepeat);
    if (end !== undefined) return end;
    round += 1;
  }
  return { kind: 'wait', reason: 'reconcile', waitMs: RETRY_MS };
}

function readyAtMs(turn: Turn, row: OpenRow): number {
  return turn.endedMarks.has(row.markId) ? 0 : row.callBeforeMs + graceMs(turn.settings) + 1;
}

async function takeSteps(
  turn: Turn,
  batch: HeldBatch,
  rows: OpenRow[],
  nowMs: number,
  mayRepeat: boolean,
): Promise<ReconcileEnd | undefined> {
  const { account } = turn;
  const situation = {
    promises: account.provider.capabilities,
    credentialVersion: account.version,
    nowMs,
    mayRepeat,
  };
  const repeats: OpenRow[] = [];
  const lookups: OpenRow[] = [];
  const unknowns: OpenRow[] = [];
  let later = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const step = reconcileStep(row, situation);
    if (step.kind === 'repeat') repeats.push(row);
    else if (step.kind === 'unknown') unknowns.push(row);
    else if (step.notBeforeMs <= nowMs) lookups.push(row);
    else later = Math.min(later, step.notBeforeMs);
  }
  await settleRows(turn, batch, unknowns, (row) => ({
    position: row.position,
    outcome: 'unknown',
    code: 'no_answer',
  }));
  const asked = await lookUp(turn, batch, lookups);
  if (!asked) return { kind: 'wait', reason: 'provider_down', waitMs: RETRY_MS };
  if (repeats.length > 0) return repeat(turn, batch, repeats);
  if (later !== Number.POSITIVE_INFINITY && lookups.length + unknowns.length === 0) {
    return { kind: 'wait', reason: 'reconcile', waitMs: Math.max(10, later - nowMs) };
  }
  return undefined;
}

async function repeat(
  turn: Turn,
  batch: HeldBatch,
  rows: OpenRow[],
): Promise<ReconcileEnd | undefined> {
  const { settings } = turn;
  const lease = createLease(settings.leaseMs);
  const markId = randomUUID();
  const marked = await remarkPeople(turn.db, batch, {
    markId,
    positions: rows.slice(0, settings.microBatch).map((row) => row.position),
    endedMarks: [...turn.endedMarks],
    leaseMs: settings.leaseMs,
    graceMs: graceMs(settings),
  });
  if (marked.outcome !== 'marked') return { kind: marked.outcome };
  if (marked.people.length === 0) return undefined;
  const report = await callAndSettle(turn, batch, {
    markId,
    lease,
    people: marked.people,
    isRepeat: true,
  });
  if (report.kind === 'slower')
    return { kind: 'wait', reason: 'rate_limit', waitMs: report.waitMs };
  if (report.kind === 'down')
    return { kind: 'wait', reason: 'provider_down', waitMs: report.waitMs };
  return undefined;
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
  { position }: OpenRow,
  answer: LookupResult | undefined,
  authoritative: boolean,
): Settlement {
  if (answer?.kind === 'found') return { position, outcome: 'sent', providerId: answer.providerId };
  // Not taken for certain: the gate decides again, as for anybody who waits.
  if (authoritative)
    return { position, outcome: 'queued', code: 'not_found', notBeforeMs: Date.now() };
  return { position, outcome: 'unknown', code: 'not_found' };
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
