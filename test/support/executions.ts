import { randomUUID } from 'node:crypto';
import type { CampaignPlan } from '../../domain/campaign-plans';
import type { MessageState } from '../../domain/communications';
import { openExecution, type ExecutionOpening } from '../../prisma/execution-opening';
import { withTenant } from '../../prisma/tenant';
import { SANDBOX_TOKEN } from '../../dev/sandbox/index';
import type { Database } from '../../prisma/client';
import type { Encryption } from '../../prisma/encryption';
import {
  createBroker,
  createBudget,
  createCompany,
  createCredential,
  createWallet,
} from './factories';
import { query } from './database';

/** What a scene stands on; a whole `DispatchBench` is one, and so is a database alone. */
export interface Stage {
  db: Database;
  encryption: Encryption;
  sandbox: { url: string };
}

export interface Scene {
  companyId: string;
  walletId: string;
  brokerId: string;
  credentialId: string;
  budgetId: string;
}

/** A company with money and an account at the stand-in vendor. */
export async function createScene(
  bench: Stage,
  {
    budget = '1000',
    price = '0.05',
    config = {},
  }: { budget?: string; price?: string; config?: Record<string, unknown> } = {},
): Promise<Scene> {
  const { db, encryption, sandbox } = bench;
  const companyId = await createCompany(db);
  const walletId = await createWallet(db, companyId);
  const brokerId = await createBroker(db, companyId, { costPerMessage: price });
  const id = randomUUID();
  const account = {
    url: sandbox.url,
    token: SANDBOX_TOKEN,
    webhookSecret: 'whsec-test',
    ...config,
  };
  const credentialId = await createCredential(db, companyId, {
    id,
    walletId,
    brokerId,
    encryptedConfig: encryption.encrypt(JSON.stringify(account), companyId, id),
  });
  const budgetId = await createBudget(db, companyId, { walletId, budget });
  return { companyId, walletId, brokerId, credentialId, budgetId };
}

const PLAN: CampaignPlan = {
  campaignName: 'Acordo de novembro',
  message: { baseMessage: 'Olá {{nome}}, temos uma proposta para você.', template: null },
  throttle: { type: 'none' },
  sendWindow: null,
  quietHours: null,
  billingUnit: 'message',
  ratePerSecond: null,
  timeZones: ['America/Sao_Paulo'],
};

export interface ExecutionSpec extends Partial<Omit<ExecutionOpening, 'plan'>> {
  recipients: number;
  price?: string;
  plan?: Partial<CampaignPlan>;
  /** Tail of the number of the first people: the stand-in vendor stages a fault for some of them. */
  addresses?: readonly string[];
}

/** A campaign with an audience of invented people and its execution, approved and told to the outbox. */
export async function openTestExecution(
  bench: Pick<Stage, 'db'>,
  scene: Scene,
  spec: ExecutionSpec,
): Promise<string> {
  const { recipients, plan, addresses = [], ...opening } = spec;
  const { companyId, walletId, brokerId, credentialId } = scene;
  return withTenant(bench.db, companyId, async (tx) => {
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
    await tx.$executeRaw`
      INSERT INTO campaign_recipients (company_id, audience_id, position, address, phone, nome, time_zone)
      SELECT ${companyId}::uuid, ${audience.id}::uuid, p, a, a, 'Pessoa ' || p, 'America/Sao_Paulo'
      FROM generate_series(0, ${recipients}::int - 1) p
        CROSS JOIN LATERAL (SELECT coalesce((${addresses}::text[])[p + 1], '+5511' || (900000000 + p)) AS a) n`;
    return openExecution(tx, {
      companyId,
      campaignId: campaign.id,
      audienceId: audience.id,
      type: 'manual',
      walletId,
      brokerId,
      credentialId,
      channel: 'sms',
      price: '0.05',
      timeZone: 'America/Sao_Paulo',
      scheduledAt: null,
      sendUntil: null,
      frequencyCap: null,
      onBudgetExhausted: 'pause',
      lanes: 3,
      batchSize: 100,
      withFish: true,
      ...opening,
      plan: { ...PLAN, ...plan },
    });
  });
}

/** How many ledger rows of an execution are in which state, counted in the ledger itself. */
export async function countStates(
  bench: { adminUrl: string },
  executionId: string,
): Promise<Partial<Record<MessageState, number>>> {
  const rows = await query<{ state: MessageState; n: number }>(
    bench.adminUrl,
    'SELECT state, count(*)::int AS n FROM communications WHERE source_id = $1 GROUP BY state',
    [executionId],
  );
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
}
