import { lockExecution } from '../campaign-executions';
import type { Campaign, CampaignExecution } from '../generated/client';
import type { TenantTx } from '../tenant';
import { getCampaign, type CampaignActor } from './scope';

/** A campaign that nobody else changes until the transaction ends, and its newest execution. */
export interface HeldCampaign {
  campaign: Campaign;
  /** Test sends do not count, nor what was withdrawn before it began. */
  execution: CampaignExecution | null;
}

/**
 * Holds a campaign for a change. Always in this order: the campaign's own lock, which only people's requests take;
 * its execution's lock, under which the dispatch changes states; the campaign's row, which the dispatch takes last.
 * Throws NOT_FOUND for what the actor may not see.
 */
export async function holdCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
): Promise<HeldCampaign> {
  await getCampaign(tx, actor, id);
  await lockCampaign(tx, id);
  const campaign = await getCampaign(tx, actor, id);
  return { campaign, execution: await newestExecution(tx, id) };
}

/** The locks of `holdCampaign`, for a change that concerns campaigns whoever sees them. */
export async function lockCampaign(tx: TenantTx, id: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(execution_lock(${id}::uuid))`;
  const newest = await newestExecution(tx, id);
  if (newest !== null) await lockExecution(tx, newest.id);
  await tx.$queryRaw`SELECT id FROM campaigns WHERE id = ${id}::uuid FOR UPDATE`;
}

/** Not a test send, and not withdrawn, which leaves an execution of nobody. */
export const REAL = { executionType: { not: 'test' }, recipients: { gt: 0 } };

/** By id, which grows with time. */
export async function newestExecution(
  tx: TenantTx,
  campaignId: string,
): Promise<CampaignExecution | null> {
  return tx.campaignExecution.findFirst({
    where: { campaignId, ...REAL },
    orderBy: { id: 'desc' },
  });
}
