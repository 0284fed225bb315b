import type { AudienceCounts } from '../../domain/audiences';
import { getCampaign, type CampaignActor } from '../campaigns/scope';
import type { Audience, Campaign } from '../generated/client';
import type { TenantTx } from '../tenant';
import { runningUpload } from './uploads';

/** What a campaign has and what is on its way to it. */
export interface CampaignAudience {
  audience: Audience | null;
  /** The upload that will replace it, while it runs. */
  upload: Audience | null;
}

/** Throws NOT_FOUND for a campaign that is not there for this actor. */
export async function readAudience(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
): Promise<CampaignAudience> {
  const campaign = await getCampaign(tx, actor, campaignId);
  return { audience: await audienceOf(tx, campaign), upload: await runningUpload(tx, campaignId) };
}

/** The audience that this campaign has now. */
export async function audienceOf(
  tx: TenantTx,
  { audienceId }: Pick<Campaign, 'audienceId'>,
): Promise<Audience | null> {
  return audienceId === null ? null : tx.audience.findUnique({ where: { id: audienceId } });
}

export function countsOf(audience: Audience): AudienceCounts {
  const { recipients, corrected, duplicates, invalid } = audience;
  const invalidByReason = audience.invalidByReason as Record<string, number>;
  return { recipients, corrected, duplicates, invalid, invalidByReason };
}
