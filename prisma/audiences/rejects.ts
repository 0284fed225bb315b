import { getCampaign, type CampaignActor } from '../campaigns/scope';
import type { AudienceReject } from '../generated/client';
import type { TenantTx } from '../tenant';

export interface RejectFilter {
  reason?: string | undefined;
}

export interface RejectPage {
  take: number;
  /** The `seq` of the last one that was shown; null for the first page. */
  after: number | null;
}

/** Rows of the campaign's present audience that were refused, in the order of the file. Throws NOT_FOUND. */
export async function listRejects(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
  filter: RejectFilter,
  { take, after }: RejectPage,
): Promise<AudienceReject[]> {
  const { audienceId } = await getCampaign(tx, actor, campaignId);
  if (audienceId === null) return [];
  return tx.audienceReject.findMany({
    where: { audienceId, reason: filter.reason, ...(after === null ? {} : { seq: { gt: after } }) },
    orderBy: { seq: 'asc' },
    take,
  });
}
