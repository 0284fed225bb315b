import { notFound } from '../../domain/errors';
import { campaignScope, type Role } from '../../domain/permissions';
import type { Campaign, Prisma } from '../generated/client';
import type { TenantTx } from '../tenant';

/** Who acts on campaigns: a person with a role, or an API key of the company. */
export type CampaignActor = { type: 'user'; id: string; role: Role } | { type: 'key'; id: string };

/** Whose campaigns somebody sees. Keys act for the company, so what they make is every MANAGER's to approve. */
export function visibleTo(actor: CampaignActor): Prisma.CampaignWhereInput {
  if (actor.type === 'key') return {};
  switch (campaignScope(actor.role)) {
    case 'own':
      return { userId: actor.id };
    case 'squad': {
      const ofMySquads = { squad: { members: { some: { userId: actor.id } } } };
      return {
        OR: [
          { userId: actor.id },
          { user: { squadMembers: { some: ofMySquads } } },
          { apiKeyId: { not: null } },
        ],
      };
    }
    case 'company':
      return {};
  }
}

/** Throws NOT_FOUND; what somebody may not see is not there for them. */
export async function getCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
): Promise<Campaign> {
  const campaign = await tx.campaign.findFirst({ where: { id, AND: visibleTo(actor) } });
  if (campaign === null) throw notFound('campaign');
  return campaign;
}

/** The ids that stand for this actor among editors: behind a key stands also whoever made it. */
export async function identitiesOf(tx: TenantTx, { type, id }: CampaignActor): Promise<string[]> {
  if (type === 'user') return [id];
  const key = await tx.apiKey.findUnique({ where: { id }, select: { createdBy: true } });
  return key === null || key.createdBy === null ? [id] : [id, key.createdBy];
}

/** The editors of a campaign after this actor has changed it; none of them may approve it. */
export async function editorsWith(
  tx: TenantTx,
  editors: readonly string[],
  actor: CampaignActor,
): Promise<string[]> {
  return [...new Set([...editors, ...(await identitiesOf(tx, actor))])];
}

/** Whether the actor had a hand in what the campaign says, whom it goes to, or its submission. */
export async function isEditor(
  tx: TenantTx,
  actor: CampaignActor,
  campaign: Campaign,
): Promise<boolean> {
  const { editors, userId, apiKeyId, submittedBy } = campaign;
  const hands = [...editors, userId, apiKeyId, submittedBy].filter((id) => id !== null);
  const mine = await identitiesOf(tx, actor);
  if (mine.some((id) => hands.includes(id))) return true;
  return (await tx.apiKey.count({ where: { id: { in: hands }, createdBy: { in: mine } } })) > 0;
}
