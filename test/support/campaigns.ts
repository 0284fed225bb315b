import { randomUUID } from 'node:crypto';
import type { Role } from '../../domain/permissions';
import type { Encryption } from '../../prisma/encryption';
import { withTenant } from '../../prisma/tenant';
import type { Database } from '../../prisma/client';
import type { DispatchSettings } from '../../activities/dispatch/turn';
import { createEngine } from '../../api/engine';
import { createLogger } from '../../telemetry';
import { startTestApi, type Answer, type TestApi, type TestPerson, type TestTenant } from './api';
import { SANDBOX_TOKEN, startDispatch, type DispatchBench } from './dispatch';
import { createBroker, createBudget, createCredential, createWallet } from './factories';
import { until } from './until';

/** What a company needs for a campaign. */
export interface Means {
  walletId: string;
  brokerId: string;
  credentialId: string;
  budgetId: string;
}

export interface MeansOptions {
  budget?: string;
  price?: string;
  billingUnit?: 'message' | 'segment';
  /** Address of the stand-in vendor. */
  url?: string;
  /** Of the worker that is to open the account. */
  encryption?: Encryption;
  /** Of the account, beyond address, token and secret. */
  config?: Record<string, unknown>;
}

/** A wallet with money and an account at the stand-in vendor. */
export async function createMeans(
  db: Database,
  companyId: string,
  options: MeansOptions = {},
): Promise<Means> {
  const { budget = '1000', price = '0.05', billingUnit = 'message', url, encryption } = options;
  const account = { url, token: SANDBOX_TOKEN, webhookSecret: 'whsec-test', ...options.config };
  const walletId = await createWallet(db, companyId);
  const brokerId = await createBroker(db, companyId, { costPerMessage: price, billingUnit });
  const id = randomUUID();
  const encryptedConfig = encryption?.encrypt(JSON.stringify(account), companyId, id) ?? '';
  const credentialId = await createCredential(db, companyId, {
    id,
    walletId,
    brokerId,
    encryptedConfig,
  });
  return {
    walletId,
    brokerId,
    credentialId,
    budgetId: await createBudget(db, companyId, { walletId, budget }),
  };
}

export interface AudienceSpec {
  recipients: number;
  /** Numbers of the first people: the stand-in vendor stages a fault for some of them. */
  addresses?: readonly string[];
  uploadedBy?: string;
}

/** Invented people as the audience of a draft, as an upload leaves them. */
export async function giveAudience(
  db: Database,
  companyId: string,
  campaignId: string,
  { recipients, addresses = [], uploadedBy }: AudienceSpec,
): Promise<string> {
  return withTenant(db, companyId, async (tx) => {
    const timeZones = ['America/Sao_Paulo'];
    const { id } = await tx.audience.create({
      data: { companyId, campaignId, source: 'list', state: 'ready', recipients, timeZones },
    });
    await tx.$executeRaw`
      INSERT INTO campaign_recipients (company_id, audience_id, position, address, phone, nome, cpf_cnpj, idcob_contrato, time_zone)
      SELECT ${companyId}::uuid, ${id}::uuid, p, a, a, 'Pessoa ' || p, '529982247' || lpad(p::text, 2, '0'), 'C-' || p, 'America/Sao_Paulo'
      FROM generate_series(0, ${recipients}::int - 1) p
        CROSS JOIN LATERAL (SELECT coalesce((${addresses}::text[])[p + 1], '+5511' || (900000000 + p)) AS a) n`;
    const editors = uploadedBy === undefined ? {} : { editors: { push: uploadedBy } };
    await tx.campaign.update({ where: { id: campaignId }, data: { audienceId: id, ...editors } });
    return id;
  });
}

/** Calls the campaign routes as one person after the other. */
export interface Campaigner {
  tenant: TestTenant;
  means: Means;
  call(
    method: string,
    path: string,
    as: { token: string },
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** A draft of the director, with an audience unless it is to have nobody. */
  draft(spec?: DraftSpec): Promise<string>;
  /** A draft that the director has submitted and the second director approved. */
  approved(spec?: DraftSpec): Promise<{ id: string; executionId: string }>;
  /** A director who has a hand in nothing. */
  approver: TestPerson;
}

export interface DraftSpec {
  by?: { token: string };
  recipients?: number;
  addresses?: readonly string[];
  fields?: Record<string, unknown>;
}

export async function startCampaigner(
  api: TestApi,
  tenant: TestTenant,
  options: MeansOptions = {},
): Promise<Campaigner> {
  const { db } = api.deps;
  const means = await createMeans(db, tenant.companyId, options);
  const approver = await api.person(tenant.companyId, 'DIRECTOR' satisfies Role);
  const call: Campaigner['call'] = (method, path, as, body, headers = {}) =>
    api.request(method, `/v1/campaigns${path}`, { as, body, headers });
  const draft: Campaigner['draft'] = async (spec = {}) => {
    const { by = tenant.director, recipients = 10, addresses = [], fields = {} } = spec;
    const { walletId, brokerId } = means;
    const body = { ...CAMPAIGN, walletId, brokerId, ...fields };
    const made = await call('POST', '', by, body);
    if (made.status !== 201) throw new Error(`no draft: ${JSON.stringify(made.body)}`);
    const { id } = made.body as { id: string };
    if (recipients > 0) await giveAudience(db, tenant.companyId, id, { recipients, addresses });
    return id;
  };
  return {
    tenant,
    means,
    approver,
    call,
    draft,
    async approved(spec = {}) {
      const id = await draft(spec);
      await ok(call('POST', `/${id}/submit`, tenant.director));
      const { executionId } = await ok(call('POST', `/${id}/approve`, approver));
      return { id, executionId: String(executionId) };
    },
  };
}

export const CAMPAIGN = {
  name: 'Acordo de novembro',
  baseMessage: 'Olá {{nome}}, temos uma proposta para você.',
};

// oxlint-disable-next-line typescript/no-explicit-any -- answers of every shape
export async function ok(answer: Promise<Answer>): Promise<any> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export interface CampaignBench {
  bench: DispatchBench;
  api: TestApi;
  /** Campaigns of a company whose vendor is the bench's. */
  campaigner(options?: MeansOptions): Promise<Campaigner>;
  /** Waits until the campaign shows one of these states. */
  untilState(of: Campaigner, id: string, ...states: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** Engine, worker, vendor and database with the API in front of them. */
export async function startCampaignBench(
  settings: Partial<DispatchSettings> = {},
): Promise<CampaignBench> {
  const bench = await startDispatch(settings);
  const engine = createEngine({
    address: bench.engineAddress,
    namespace: 'default',
    db: bench.db,
    logger: createLogger('silent', 'test'),
  });
  const env = { DISPATCH_LANES: '2', DISPATCH_BATCH_SIZE: '100' };
  const api = await startTestApi({ database: bench, engine, env });
  return {
    bench,
    api,
    async campaigner(options = {}) {
      const { sandbox, encryption } = bench;
      return startCampaigner(api, await api.tenant(), { url: sandbox.url, encryption, ...options });
    },
    async untilState({ call, approver }, id, ...states) {
      await until(`the campaign is ${states.join(' or ')}`, async () => {
        const { body } = await call('GET', `/${id}`, approver);
        return states.includes(String(body.state));
      });
    },
    async stop() {
      await api.close();
      await engine.close();
      await bench.stop();
    },
  };
}
