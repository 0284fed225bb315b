import { RegenteError } from '../../domain/errors';
import { inFlightForMs, readExecution, type ExecutionView } from '../../prisma/campaign-executions';
import { cancelBatch, closeBatch, type ExecutionRef } from '../../prisma/dispatch/batches';
import { withTenant } from '../../prisma/tenant';
import { createCallFlow } from '../call-flow';
import type { ProviderAccount } from '../provider-accounts';
import { reconcileBatch } from './reconcile';
import { createTurn, type DispatchDeps, type Turn } from './turn';

/**
 * Writes `cancelled` for everybody not reached or only queued, batch by batch, and finds out about the rest without
 * repeats: a cancelled campaign sends nothing, not even again.
 * Answers 0 when that is done and no call can begin any more, else how long to wait before going on, in milliseconds.
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
  return withTenant(db, ref.companyId, (tx) => inFlightForMs(tx, ref.executionId));
}

async function settleOpenRows(
  deps: DispatchDeps,
  execution: ExecutionView,
  seq: number,
  attempt: number,
): Promise<number> {
  const turn = await openTurn(deps, execution);
  const batch = { companyId: execution.companyId, executionId: execution.id, seq, attempt };
  const end = await reconcileBatch(turn, batch, { mayRepeat: false });
  if (end.kind === 'later') return Math.max(1, end.waitMs);
  if (end.kind === 'clean') await closeBatch(deps.db, batch, { seq, attempt });
  return 0;
}

/** An account that cannot be opened any more promises nothing, and that must not keep a campaign from ending. */
async function openTurn(deps: DispatchDeps, execution: ExecutionView): Promise<Turn> {
  const isOver = (): boolean => false;
  try {
    return await createTurn(deps, execution, isOver);
  } catch (error) {
    if (!(error instanceof RegenteError) || error.code !== 'CONFIGURATION') throw error;
    return createTurn(deps, execution, isOver, goneAccount(execution.credentialId));
  }
}

/** Stands for an account that is gone: whatever was under way with it is `unknown`. */
const goneAccount = (credentialId: string): ProviderAccount => ({
  credentialId,
  version: -1,
  flow: createCallFlow(1),
  failuresInRow: 0,
  restsUntilMs: 0,
  limitedUntilMs: 0,
  provider: {
    name: 'gone',
    capabilities: {
      maxBatch: 1,
      concurrency: 1,
      idempotency: false,
      lookup: false,
      echoesReference: false,
    },
    send: (messages) =>
      Promise.resolve(messages.map(() => ({ kind: 'notCalled', code: 'ACCOUNT_GONE' }))),
    close: () => Promise.resolve(),
  },
});
