import type { CampaignExecution } from '../generated/client';
import type { PageArgs } from '../paging';
import type { TenantTx } from '../tenant';

/** All executions of a campaign, test sends too; not those that were withdrawn before they began. */
export async function listExecutions(
  tx: TenantTx,
  campaignId: string,
  { after, ...page }: PageArgs,
): Promise<CampaignExecution[]> {
  return tx.campaignExecution.findMany({
    where: { campaignId, recipients: { gt: 0 }, ...after },
    ...page,
  });
}
