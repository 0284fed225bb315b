import type { Database } from '../../prisma/client';
import { withTenant } from '../../prisma/tenant';
import { createUser } from './factories';

export { createBroker, createBudget, createCredential, createWallet } from './factories';

/** A draft of somebody who is made for it. */
export async function createCampaign(
  db: Database,
  companyId: string,
  fields: { walletId: string; brokerId: string; templateId?: string },
): Promise<string> {
  const userId = await createUser(db, companyId);
  const data = {
    companyId,
    userId,
    agendamentoId: userId,
    name: 'Cobrança de novembro',
    ...fields,
  };
  return (await withTenant(db, companyId, (tx) => tx.campaign.create({ data }))).id;
}

/** An execution with a campaign and an audience of nobody. */
export async function createExecution(
  db: Database,
  companyId: string,
  fields: { walletId: string; brokerId: string; credentialId: string; state?: string },
): Promise<string> {
  const { walletId, brokerId } = fields;
  const campaignId = await createCampaign(db, companyId, { walletId, brokerId });
  return withTenant(db, companyId, async (tx) => {
    const audience = await tx.audience.create({ data: { companyId, campaignId, source: 'list' } });
    const data = {
      companyId,
      campaignId,
      audienceId: audience.id,
      executionType: 'manual',
      state: 'PROCESSING',
      channel: 'sms',
      price: '0.05',
      timeZone: 'America/Sao_Paulo',
      onBudgetExhausted: 'pause',
      plan: {},
      ledgerMonth: new Date('2026-11-01'),
      recipients: 0,
      lanes: 1,
      batchSize: 100,
      ...fields,
    };
    return (await tx.campaignExecution.create({ data })).id;
  });
}
