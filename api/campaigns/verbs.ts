import { z } from '@hono/zod-openapi';
import { CAMPAIGN_STATES, type CampaignState } from '../../domain/campaigns';
import type { Audit } from '../write';

/** What every verb answers: where the campaign is now. */
export const StateAnswer = z
  .object({
    id: z.uuid(),
    state: z.enum(CAMPAIGN_STATES),
    executionId: z.uuid().nullable(),
  })
  .openapi('CampaignState');

export const tags = ['Campaigns'];

/** For what touches every row of an audience: copying or removing five million takes a while. */
export const WHOLE_AUDIENCE = { timeoutMs: 300_000 };

/** The audit of a verb: the state before and after it. */
export async function auditVerb(
  audit: Audit,
  verb: string,
  id: string,
  change: { before: CampaignState; after: CampaignState; reason?: string | null },
): Promise<void> {
  const { before, after, reason } = change;
  await audit({
    action: `campaign.${verb}`,
    entityType: 'campaign',
    entityId: id,
    before: { state: before },
    after: { state: after, ...(reason === undefined ? {} : { reason }) },
  });
}
