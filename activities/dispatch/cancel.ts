import { RegenteError } from '../../domain/errors';
import { checkEnd, readExecution, type ExecutionView } from '../../prisma/campaign-executions';
import { cancelBatch, closeBatch, type ExecutionRef } from '../../prisma/dispatch/batches';
import { withTenant } from '../../prisma/tenant';
import { reconcileBatch } from './reconcile';
import { createTurn, type DispatchDeps } from './turn';

/**
 * Writes `cancelled` for everybody not reached or only queued, batch by batch, and finds out about the rest without
 * repeats: a cancelled campaign sends nothing, not even again.
 * Answers 0 when everybody has a final state, else how long to wait before going on.
 */
export async function cancelEverybody(deps: DispatchDeps, ref: ExecutionRef): Promise<number> {
  const { db } = deps;
  const execution = await withTenant(db, ref.companyId, (tx) => readExecution(tx, ref.executionId));
  const reason = execution.stateReason ?? (execution.state === 'FAILING' ? 'failed' : 'cancelled');
  let fromSeq = 0;
  for (;;) {
    const step = await cancelBatch(db, ref, fromSeq, reason);
    if (step.outcome === 'done' || step.outcome === 'stopped') break;
    if (step.outcome === 'sending') {
      const waitMs = await settleOpenRows(deps, execution, step.seq, step.attempt);
      if (waitMs > 0) return waitMs;
    }
    fromSeq = step.outcome === 'closed' ? step.seq + 1 : step.seq;
  }
  const check = await withTenant(db, ref.companyId, (tx) => checkEnd(tx, ref.executionId), {
    timeoutMs: 60_000,
  });
  if (!check.complete)
    throw new RegenteError('INTERNAL', 'The execution does not add up and cannot end yet.');
  return 0;
}

async function settleOpenRows(
  deps: DispatchDeps,
  execution: ExecutionView,
  seq: number,
  attempt: number,
): Promise<number> {
  const turn = await createTurn(deps, execution, () => false);
  const batch = { companyId: execution.companyId, executionId: execution.id, seq, attempt };
  const end = await reconcileBatch(turn, batch, { mayRepeat: false });
  if (end.kind === 'wait') return end.waitMs;
  if (end.kind === 'clean') await closeBatch(deps.db, batch, seq, attempt);
  return 0;
}
