import { RegenteError } from '../../domain/errors';
import { getCampaign, type CampaignActor } from '../campaigns/scope';
import type { AudienceReject } from '../generated/client';
import type { TenantTx } from '../tenant';

export interface RejectFilter {
  reason?: string | undefined;
  /** Of this audience only, which must still be the campaign's. */
  audienceId?: string | undefined;
}

export interface RejectPage {
  take: number;
  /** The `seq` of the last one that was shown; null for the first page. */
  after: number | null;
}

/**
 * Rows of the campaign's present audience that were refused, in the order of the file. Throws NOT_FOUND, and CONFLICT where
 * another audience is in the place of the one that was asked for.
 */
export async function listRejects(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
  filter: RejectFilter,
  { take, after }: RejectPage,
): Promise<AudienceReject[]> {
  const { reason } = filter;
  const present = async (): Promise<string | null> =>
    (await getCampaign(tx, actor, campaignId)).audienceId;
  const audienceId = filter.audienceId ?? (await present());
  if (audienceId === null) return [];
  const rows = await tx.audienceReject.findMany({
    where: { audienceId, reason, ...(after === null ? {} : { seq: { gt: after } }) },
    orderBy: { seq: 'asc' },
    take,
  });
  // Afterwards, for what is no longer the campaign's is removed, and would seem to have no more rows.
  if (filter.audienceId !== undefined && filter.audienceId !== (await present()))
    throw new RegenteError('CONFLICT', 'Another upload has taken the place of this audience.');
  return rows;
}
