import { transitionExecution } from '../campaign-executions';
import type { CampaignExecution } from '../generated/client';
import type { TenantTx } from '../tenant';

/**
 * Ends an approved execution that has not begun, because its campaign is being edited. Nobody was reached, so nothing is
 * left of it but the row that says so: an execution of nobody, which adds up. Should the dispatch start it at the same
 * moment, whoever has its lock first wins, and the other finds another state.
 * Throws CONFLICT when it has begun.
 */
export async function withdrawExecution(
  tx: TenantTx,
  { id, audienceId }: CampaignExecution,
  actorId: string,
): Promise<void> {
  await transitionExecution(tx, {
    executionId: id,
    verb: 'withdraw',
    reason: 'withdrawn',
    actorId,
  });
  await tx.dispatchBatch.deleteMany({ where: { executionId: id } });
  await tx.campaignRecipient.deleteMany({ where: { audienceId, isFish: true } });
  await tx.campaignExecution.update({ where: { id }, data: { recipients: 0, fish: 0 } });
}
