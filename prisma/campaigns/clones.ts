import { Prisma, type Audience, type Campaign } from '../generated/client';
import type { TenantTx } from '../tenant';
import { madeBy, newAgendamentoId } from './index';
import { getCampaign, type CampaignActor } from './scope';

/**
 * A new draft of the actor with the settings of another campaign and, if asked, a copy of its people. Moments that have
 * passed are not copied. Throws NOT_FOUND.
 */
export async function cloneCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  { name, withAudience }: { name?: string | undefined; withAudience: boolean },
): Promise<Campaign> {
  const source = await getCampaign(tx, actor, id);
  const clone = await tx.campaign.create({
    data: {
      ...settingsToCopy(source),
      name: name ?? source.name,
      companyId: source.companyId,
      agendamentoId: newAgendamentoId(),
      clonedFrom: id,
      ...(await madeBy(tx, actor)),
    },
  });
  if (!withAudience || source.audienceId === null) return clone;
  const audience = await tx.audience.findUniqueOrThrow({ where: { id: source.audienceId } });
  const audienceId = await copyAudience(tx, audience, clone.id, actor.id);
  return tx.campaign.update({ where: { id: clone.id }, data: { audienceId } });
}

function settingsToCopy(source: Campaign) {
  const ahead = (moment: Date | null): Date | null =>
    moment !== null && moment.getTime() > Date.now() ? moment : null;
  const scheduledAt = ahead(source.scheduledAt);
  return {
    description: source.description,
    walletId: source.walletId,
    brokerId: source.brokerId,
    templateId: source.templateId,
    baseMessage: source.baseMessage,
    throttlingType: source.throttlingType,
    throttlingConfig: source.throttlingConfig ?? Prisma.DbNull,
    scheduledAt,
    sendUntil: ahead(source.sendUntil),
    sendWindow: source.sendWindow ?? Prisma.DbNull,
    onBudgetExhausted: source.onBudgetExhausted,
  };
}

/** The people, without the fish that an approval has put behind them. */
async function copyAudience(
  tx: TenantTx,
  from: Audience,
  campaignId: string,
  createdBy: string,
): Promise<string> {
  const { id: fromId, createdAt: _, updatedAt: __, ...facts } = from;
  const { id } = await tx.audience.create({
    data: {
      ...facts,
      campaignId,
      createdBy,
      source: 'clone',
      invalidByReason: facts.invalidByReason ?? {},
      columns: facts.columns ?? {},
      assessment: facts.assessment ?? {},
    },
  });
  await tx.$executeRaw`
    INSERT INTO campaign_recipients (company_id, audience_id, position, address, nome, phone, email, cpf_cnpj,
      idcob_contrato, custom_message, variables, time_zone, units, skip_reason)
    SELECT company_id, ${id}::uuid, position, address, nome, phone, email, cpf_cnpj,
        idcob_contrato, custom_message, variables, time_zone, units, skip_reason
      FROM campaign_recipients WHERE audience_id = ${fromId}::uuid AND NOT is_fish`;
  return id;
}
