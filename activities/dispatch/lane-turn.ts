import type { WaitReason } from '../../domain/campaigns';
import { noteWaiting, readExecution, transitionExecution } from '../../prisma/campaign-executions';
import { claimBatch, closeBatch, type ClaimResult } from '../../prisma/dispatch/batches';
import type { HeldBatch } from '../../prisma/dispatch/messages';
import { withTenant } from '../../prisma/tenant';
import { runBatch, type BatchEnd } from './batch-run';
import { reconcileBatch } from './reconcile';
import { createTurn, type DispatchDeps, type Turn } from './turn';

export interface LaneTurnInput {
  companyId: string;
  executionId: string;
  lane: number;
  /** Batches before it are known to be closed. */
  fromSeq: number;
}

/** What a lane does next; only ids, numbers and reasons, for it lies in the history. */
export type LaneTurn =
  | { kind: 'more'; fromSeq: number }
  | { kind: 'waiting'; fromSeq: number; reason: WaitReason; waitMs: number }
  | { kind: 'done' }
  | { kind: 'stopped' };

const CONTENTION_WAIT_MS = 2_000;

/** Works on a lane's batches, one after the other, for the length of a turn. */
export async function runLaneTurn(
  deps: DispatchDeps,
  input: LaneTurnInput,
  isCancelled: () => boolean,
): Promise<LaneTurn> {
  const { db, settings } = deps;
  const { companyId, executionId, lane } = input;
  const execution = await withTenant(db, companyId, (tx) => readExecution(tx, executionId));
  if (execution.state !== 'PROCESSING') return { kind: 'stopped' };
  const endsAt = performance.now() + settings.turnMs;
  const turn = await createTurn(
    deps,
    execution,
    () => isCancelled() || performance.now() >= endsAt,
  );

  let { fromSeq } = input;
  while (!turn.isOver()) {
    const claim = await claimBatch(db, { companyId, executionId }, lane, fromSeq);
    if (claim.outcome === 'waiting') {
      const waitMs = Math.max(50, claim.dueMs - Date.now());
      return wait(turn, fromSeq, 'send_window', waitMs);
    }
    if (claim.outcome !== 'claimed') return { kind: claim.outcome };
    const batch: HeldBatch = { companyId, executionId, seq: claim.seq, attempt: claim.attempt };
    const end = await workOn(turn, batch, claim);
    const closed =
      end.kind === 'fenced' ? null : await closeBatch(db, batch, batch.seq, batch.attempt);
    if (closed?.outcome === 'closed' && batch.seq === fromSeq) fromSeq = batch.seq + 1;
    const next = await afterBatch(turn, end, claim, fromSeq);
    if (next !== undefined) return next;
  }
  return { kind: 'more', fromSeq };
}

/** First what earlier attempts left open, then the people who are still to be reached, then what this work left open. */
async function workOn(turn: Turn, batch: HeldBatch, claim: { sending: number }): Promise<BatchEnd> {
  const before = claim.sending > 0 ? await reconcileBatch(turn, batch, { mayRepeat: true }) : null;
  if (before !== null && before.kind !== 'clean') return before;
  const end = await runBatch(turn, batch);
  if (end.kind === 'fenced' || end.kind === 'stopped') return end;
  const after =
    turn.endedMarks.size > 0 ? await reconcileBatch(turn, batch, { mayRepeat: true }) : null;
  turn.endedMarks.clear();
  return after === null || after.kind === 'clean' ? end : after;
}

type Claimed = Extract<ClaimResult, { outcome: 'claimed' }>;

/** What the end of a batch means for the lane; undefined: go on with the next one. */
async function afterBatch(
  turn: Turn,
  end: BatchEnd,
  claim: Claimed,
  fromSeq: number,
): Promise<LaneTurn | undefined> {
  switch (end.kind) {
    case 'finished':
      return undefined;
    case 'interrupted':
    case 'fenced':
      return { kind: 'more', fromSeq };
    case 'stopped':
      return { kind: 'stopped' };
    case 'wait':
      return wait(turn, fromSeq, end.reason, end.waitMs);
    case 'refused':
      await pauseFor(turn, claim.controlVersion, end.reason);
      return { kind: 'stopped' };
    case 'short':
      return claim.shortfall === null ? undefined : outOfMoney(turn, claim, fromSeq);
  }
}

async function outOfMoney(turn: Turn, claim: Claimed, fromSeq: number): Promise<LaneTurn> {
  if (claim.shortfall === 'contention')
    return wait(turn, fromSeq, 'budget_contention', CONTENTION_WAIT_MS);
  const verb = turn.execution.onBudgetExhausted;
  await changeState(turn, claim.controlVersion, verb, 'budget_exhausted');
  return { kind: 'stopped' };
}

const pauseFor = (turn: Turn, version: number, reason: string): Promise<void> =>
  changeState(turn, version, 'pause', reason);

/** By the version read at the claim, so that a late one cannot undo a resume that came in between. */
async function changeState(
  turn: Turn,
  expectedVersion: number,
  verb: 'pause' | 'fail',
  reason: string,
): Promise<void> {
  const { db, execution, logger } = turn;
  try {
    await withTenant(db, execution.companyId, (tx) =>
      transitionExecution(tx, { executionId: execution.id, verb, reason, expectedVersion }),
    );
  } catch (error) {
    logger.info({ err: error, executionId: execution.id, verb }, 'the state had changed before');
  }
}

async function wait(
  turn: Turn,
  fromSeq: number,
  reason: WaitReason,
  waitMs: number,
): Promise<LaneTurn> {
  const { db, execution } = turn;
  await withTenant(db, execution.companyId, (tx) =>
    noteWaiting(tx, execution.id, { reason, untilMs: Date.now() + waitMs }),
  );
  return { kind: 'waiting', fromSeq, reason, waitMs };
}
