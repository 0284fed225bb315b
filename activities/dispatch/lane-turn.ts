import { WAIT_REASONS, type WaitReason } from '../../domain/campaigns';
import { RegenteError } from '../../domain/errors';
import { noteWaiting, readExecution, type ExecutionView } from '../../prisma/campaign-executions';
import { claimBatch, closeBatch, type ClaimResult } from '../../prisma/dispatch/batches';
import type { HeldBatch } from '../../prisma/dispatch/messages';
import { withTenant } from '../../prisma/tenant';
import { isOutage } from './assess';
import type { BatchEnd } from './batch-end';
import { runBatch } from './batch-run';
import { reconcileBatch, type ReconcileEnd } from './reconcile';
import { closedBy } from './send-time';
import { changeState } from './state-change';
import { countWait } from './tally';
import { createTurn, type DispatchDeps, type Turn } from './turn';

export interface LaneTurnInput {
  companyId: string;
  executionId: string;
  lane: number;
  /** Batches of the lane before it are known to be closed. */
  fromSeq: number;
}

/** What a lane does next; only ids, numbers and reasons, for it lies in the history. */
export type LaneTurn =
  | { kind: 'more'; fromSeq: number }
  /** The reason is null while another lane has something to do. */
  | { kind: 'waiting'; fromSeq: number; reason: WaitReason | null; waitMs: number }
  | { kind: 'done' }
  | { kind: 'stopped' };

const CONTENTION_WAIT_MS = 2_000;
const SHORTEST_WAIT_MS = 50;

/** Works on a lane's batches, one after the other, for the length of a turn. */
export async function runLaneTurn(
  deps: DispatchDeps,
  input: LaneTurnInput,
  isCancelled: () => boolean,
): Promise<LaneTurn> {
  const { db, settings } = deps;
  const { companyId, executionId } = input;
  const execution = await withTenant(db, companyId, (tx) => readExecution(tx, executionId));
  if (execution.state !== 'PROCESSING') return { kind: 'stopped' };
  const endsAt = performance.now() + settings.turnMs;
  try {
    const turn = await createTurn(
      deps,
      execution,
      () => isCancelled() || deps.isStopping?.() === true || performance.now() >= endsAt,
    );
    return await workThrough(turn, input);
  } catch (error) {
    if (!(error instanceof RegenteError) || error.code !== 'CONFIGURATION') throw error;
    // Nobody is given up for it: a person mends it and resumes.
    deps.logger.warn({ err: error, executionId }, 'the account cannot be opened');
    return stop(deps, execution, execution.controlVersion, 'pause', 'configuration');
  }
}

async function workThrough(
  turn: Turn,
  { companyId, executionId, lane, fromSeq: startSeq }: LaneTurnInput,
): Promise<LaneTurn> {
  const { db } = turn;
  let fromSeq = startSeq;
  while (!turn.isOver()) {
    const claim = await claimBatch(db, { companyId, executionId }, lane, fromSeq);
    if (claim.outcome !== 'claimed') {
      if (claim.outcome === 'stopped' || fromSeq === 0) return nothingToDo(turn, claim);
      // A person may have put people of an earlier batch back in the queue.
      fromSeq = 0;
      continue;
    }
    fromSeq = claim.firstOpen;
    const { seq, attempt } = claim;
    const batch: HeldBatch = { companyId, executionId, seq, attempt };
    const end = await workOn(turn, batch, claim);
    if (end.kind !== 'fenced') {
      const parkMs = end.kind === 'parked' ? Math.max(SHORTEST_WAIT_MS, end.waitMs) : null;
      await closeBatch(db, batch, { seq, attempt, parkMs });
    }
    const next = await afterBatch(turn, end, claim);
    if (next !== undefined) return next;
  }
  return { kind: 'more', fromSeq };
}

/**
 * First what earlier attempts left open, as far as it can be found out now; then the people who are still to be
 * reached; then what is open still.
 */
async function workOn(turn: Turn, batch: HeldBatch, claim: { sending: number }): Promise<BatchEnd> {
  const { endedMarks } = turn;
  let open: ReconcileEnd = { kind: 'clean' };
  if (claim.sending > 0) open = await reconcileBatch(turn, batch, { mayRepeat: true });
  if (open.kind !== 'clean' && open.kind !== 'later') return open;
  const endedBefore = endedMarks.size;
  const end = await runBatch(turn, batch);
  if (end.kind === 'fenced' || end.kind === 'stopped' || end.kind === 'refused') return end;
  if (open.kind === 'later' || endedMarks.size > endedBefore)
    open = await reconcileBatch(turn, batch, { mayRepeat: true });
  if (open.kind === 'clean') return end;
  if (open.kind !== 'later') return open;
  return end.kind === 'finished' ? { kind: 'parked', waitMs: open.waitMs } : end;
}

type Claimed = Extract<ClaimResult, { outcome: 'claimed' }>;

/** What the end of a batch means for the lane; undefined: go on with the next one. */
async function afterBatch(
  turn: Turn,
  end: BatchEnd,
  { firstOpen: fromSeq, shortfall, controlVersion }: Claimed,
): Promise<LaneTurn | undefined> {
  const { execution } = turn;
  switch (end.kind) {
    case 'finished':
    case 'parked':
      return undefined;
    case 'interrupted':
    case 'fenced':
      return { kind: 'more', fromSeq };
    case 'stopped':
      return { kind: 'stopped' };
    case 'wait':
      return wait(turn, fromSeq, end.reason, end.waitMs);
    case 'refused':
      return stop(turn, execution, controlVersion, 'pause', end.reason);
    case 'short':
      if (shortfall === null) return undefined;
      return shortfall === 'contention'
        ? wait(turn, fromSeq, 'budget_contention', CONTENTION_WAIT_MS)
        : stop(turn, execution, controlVersion, execution.onBudgetExhausted, 'budget_exhausted');
  }
}

/** By the version read at the claim, so that a late one cannot undo a resume that came in between. */
async function stop(
  { db, logger }: DispatchDeps,
  { id: executionId, companyId }: ExecutionView,
  expectedVersion: number,
  verb: 'pause' | 'fail',
  reason: string,
): Promise<LaneTurn> {
  const request = { companyId, executionId, verb, reason, expectedVersion };
  if (!(await changeState(db, request)))
    logger.info({ executionId, verb, reason }, 'the state had changed before');
  return { kind: 'stopped' };
}

/** The lane has no batch to work on at this moment. Shows why, unless another lane has. */
async function nothingToDo(
  turn: Turn,
  claim: Exclude<ClaimResult, { outcome: 'claimed' }>,
): Promise<LaneTurn> {
  if (claim.outcome === 'stopped') return { kind: 'stopped' };
  const reason = claim.cause === null ? null : reasonOf(turn, claim.cause);
  const waitMs = Math.max(SHORTEST_WAIT_MS, claim.waitMs);
  if (reason !== null) await showWaiting(turn, reason, waitMs);
  if (claim.outcome === 'done') return { kind: 'done' };
  countWait(reason, waitMs);
  return { kind: 'waiting', fromSeq: claim.firstOpen, reason, waitMs };
}

/** The reason of a deferred row as the campaign's; one that was put back by the vendor keeps the vendor's code. */
function reasonOf({ execution }: Turn, cause: string): WaitReason {
  // The ledger keeps one reason for both, for both are times of the day.
  if (cause === 'send_window') return closedBy(execution, Date.now());
  const known = WAIT_REASONS.find((each) => each === cause);
  if (known !== undefined) return known;
  // Put back by the reconcile, which found that nobody had been called.
  if (cause === 'not_found' || cause === 'mark_lost') return 'reconcile';
  return isOutage(cause) ? 'provider_down' : 'rate_limit';
}

async function wait(
  turn: Turn,
  fromSeq: number,
  reason: WaitReason,
  waitMs: number,
): Promise<LaneTurn> {
  countWait(reason, waitMs);
  await showWaiting(turn, reason, waitMs);
  return { kind: 'waiting', fromSeq, reason, waitMs };
}

async function showWaiting(
  { db, execution }: Turn,
  reason: WaitReason,
  waitMs: number,
): Promise<void> {
  const untilMs = Date.now() + waitMs;
  await withTenant(db, execution.companyId, (tx) =>
    noteWaiting(tx, execution.id, { reason, untilMs }),
  );
}
