import { randomBytes, randomUUID } from 'node:crypto';
import type { CampaignPlan } from '../../domain/campaign-plans';
import type { Database } from '../../prisma/client';
import type { Encryption } from '../../prisma/encryption';
import { openExecution } from '../../prisma/execution-opening';
import { withTenant, withTenantConnection } from '../../prisma/tenant';
import { BASE_MESSAGE, PERSON_SQL } from './messages';
import { PRICE } from './stage';
import type { VendorAccount } from './vendor-client';

/** A company with money, an account at the vendor, and people who must not be sent to. */
export interface Scene {
  companyId: string;
  walletId: string;
  brokerId: string;
  credentialId: string;
}

const TIME_ZONE = 'America/Sao_Paulo';
const BUDGET = '1000000000';
/** Of others, so that the gate has something to look through and every message is still sent. */
const RESTRICTED_PEOPLE = 10_000;
const ROWS_A_STATEMENT = 50_000;
const SLOW_MS = 60_000;

export async function createScene(
  db: Database,
  encryption: Encryption,
  account: VendorAccount,
): Promise<Scene> {
  const companyId = randomUUID();
  const credentialId = randomUUID();
  return withTenant(db, companyId, async (tx) => {
    await tx.company.create({
      data: {
        id: companyId,
        name: 'Empresa de Medição',
        slug: `medicao-${randomBytes(5).toString('hex')}`,
      },
    });
    const wallet = await tx.wallet.create({
      data: { companyId, name: 'Carteira Norte', idgisAmbiente: 1 },
    });
    const broker = await tx.broker.create({
      data: {
        companyId,
        name: 'Sandbox',
        provider: 'sandbox',
        channel: 'sms',
        costPerMessage: PRICE,
      },
    });
    const config = JSON.stringify({ ...account, bulk: false, webhookSecret: 'whsec-bench' });
    await tx.credential.create({
      data: {
        id: credentialId,
        companyId,
        walletId: wallet.id,
        brokerId: broker.id,
        encryptedConfig: encryption.encrypt(config, companyId, credentialId),
        configKeys: [],
        webhookToken: randomBytes(16).toString('hex'),
      },
    });
    // This month and the next, should midnight pass during the run.
    await tx.$executeRaw`
      INSERT INTO budgets (company_id, wallet_id, year, month, budget)
      SELECT ${companyId}::uuid, ${wallet.id}::uuid, extract(year FROM at)::int, extract(month FROM at)::int, ${BUDGET}::numeric
        FROM (SELECT now() AT TIME ZONE ${TIME_ZONE} + make_interval(months => i) AS at FROM generate_series(0, 1) i) t`;
    await tx.$executeRaw`
      INSERT INTO blocklist_entries (company_id, phone, cpf_cnpj)
      SELECT ${companyId}::uuid, '+55219' || lpad(p::text, 8, '0'), '9' || lpad(p::text, 10, '0')
        FROM generate_series(1, ${RESTRICTED_PEOPLE}::int) p`;
    await tx.$executeRaw`
      INSERT INTO opt_outs (company_id, channel, address)
      SELECT ${companyId}::uuid, 'sms', '+55219' || lpad(p::text, 8, '0')
        FROM generate_series(1, ${RESTRICTED_PEOPLE}::int) p`;
    return { companyId, walletId: wallet.id, brokerId: broker.id, credentialId };
  });
}

/** A campaign in APPROVED with an audience of invented people; nothing is sent before `approve`. */
export async function createCampaign(
  db: Database,
  { companyId, walletId, brokerId }: Scene,
  recipients: number,
): Promise<{ campaignId: string; audienceId: string }> {
  const made = await withTenant(db, companyId, async (tx) => {
    const campaign = await tx.campaign.create({
      data: {
        companyId,
        walletId,
        brokerId,
        name: 'Acordo de novembro',
        agendamentoId: randomUUID(),
        state: 'APPROVED',
      },
    });
    const audience = await tx.audience.create({
      data: { companyId, campaignId: campaign.id, source: 'list', state: 'ready', recipients },
    });
    return { campaignId: campaign.id, audienceId: audience.id };
  });
  for (let from = 0; from < recipients; from += ROWS_A_STATEMENT) {
    await withTenantConnection(
      db,
      companyId,
      (connection) =>
        connection.query(
          `INSERT INTO campaign_recipients (company_id, audience_id, position, address, phone, nome, cpf_cnpj, idcob_contrato, time_zone)
           SELECT $1, $2, p, ${PERSON_SQL.address}, ${PERSON_SQL.address}, ${PERSON_SQL.nome}, ${PERSON_SQL.cpfCnpj}, p::text, $5
             FROM generate_series($3::int, $4::int) p`,
          [
            companyId,
            made.audienceId,
            from,
            Math.min(from + ROWS_A_STATEMENT, recipients) - 1,
            TIME_ZONE,
          ],
        ),
      { timeoutMs: SLOW_MS },
    );
  }
  return made;
}

const PLAN: CampaignPlan = {
  campaignName: 'Acordo de novembro',
  message: { baseMessage: BASE_MESSAGE, template: null },
  throttle: { type: 'none' },
  sendWindow: null,
  quietHours: null,
  billingUnit: 'message',
  ratePerSecond: null,
  timeZones: [TIME_ZONE],
};

/** What the second person's approval does: opens the execution and leaves the note for the relay. */
export function approve(
  db: Database,
  scene: Scene,
  campaign: { campaignId: string; audienceId: string },
  size: { lanes: number; batchSize: number },
): Promise<string> {
  return withTenant(
    db,
    scene.companyId,
    (tx) =>
      openExecution(tx, {
        ...scene,
        ...campaign,
        ...size,
        type: 'manual',
        channel: 'sms',
        price: PRICE,
        timeZone: TIME_ZONE,
        scheduledAt: null,
        sendUntil: null,
        frequencyCap: null,
        onBudgetExhausted: 'pause',
        withFish: true,
        plan: PLAN,
      }),
    { timeoutMs: SLOW_MS },
  );
}
