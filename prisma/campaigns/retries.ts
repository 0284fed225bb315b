import { requireAllowed, type CampaignState } from '../../domain/campaigns';
import { RegenteError } from '../../domain/errors';
import { refuseArchived } from '../ledger-months';
import type { TenantTx } from '../tenant';
import type { DispatchShape } from './approval';
import { holdCampaign } from './lock';
import { newExecutionId, openRetry } from './retry-opening';
import type { CampaignActor } from './scope';

export interface Retry {
  executionId: string;
  recipients: number;
  before: CampaignState;
  after: CampaignState;
}

/**
 * Sends again to those whom the vendor has refused: a new execution of the same campaign whose audience are the failed
 * rows that no other retry has taken.
 * Throws CONFLICT while the campaign has not ended, when nobody is left to retry, or when it is too late or too dear;
 * ARCHIVED when some of its people are.
 */
export async function retryFailed(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  { includePermanent, shape }: { includePermanent: boolean; shape: DispatchShape },
): Promise<Retry> {
  const { campaign, execution: last } = await holdCampaign(tx, actor, id);
  const before = campaign.state as CampaignState;
  requireAllowed('retry-failed', before);
  if (last === null) throw new RegenteError('INTERNAL', 'The campaign ended without an execution.');
  const executionId = await newExecutionId(tx);
  await takeFailed(tx, { campaignId: id, executionId, includePermanent });
  const opening = { executionId, campaign, last, createdBy: actor.id, shape };
  const recipients = await openRetry(tx, opening);
  return { executionId, recipients, before, after: 'APPROVED' };
}

/** Takes the failed rows of all executions of the campaign, each once and for this retry. */
async function takeFailed(
  tx: TenantTx,
  options: { campaignId: string; executionId: string; includePermanent: boolean },
): Promise<void> {
  const { campaignId, executionId, includePermanent } = options;
  // First the batch rows, then the message rows: the order that settle keeps.
  await tx.$executeRaw`
    SELECT FROM dispatch_batches d JOIN campaign_executions e ON e.id = d.execution_id
      WHERE e.campaign_id = ${campaignId}::uuid AND d.failed > 0
      ORDER BY d.execution_id, d.seq FOR UPDATE OF d`;
  const taken = await tx.$executeRaw`
    UPDATE communications c SET retried_by = ${executionId}::uuid
      FROM campaign_executions e
      WHERE e.campaign_id = ${campaignId}::uuid AND e.execution_type <> 'test'
        AND c.ledger_month = e.ledger_month AND c.source_id = e.id
        AND c.state = 'failed' AND c.retried_by IS NULL AND NOT c.is_fish
        AND (${includePermanent} OR c.permanent IS NOT TRUE)`;
  await refuseArchived(tx, campaignId);
  if (taken > 0) return;
  throw new RegenteError(
    'CONFLICT',
    includePermanent
      ? 'Nobody has failed who was not tried again already.'
      : 'Nobody has failed who may be tried again; includePermanent adds those refused for good.',
  );
}
