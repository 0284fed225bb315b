import { randomBytes } from 'node:crypto';
import { openTestSend } from '../../prisma/campaigns/test-sends';
import { createSession } from '../../prisma/sessions';
import { withTenant } from '../../prisma/tenant';
import { createMeans } from './campaigns';
import { query } from './database';
import type { TestApi, TestTenant } from './api';

type Params = Record<string, string>;

/** Makes a row of this tenant and answers the path parameters that name it. */
type ParamsOf = (api: TestApi, tenant: TestTenant) => Promise<Params>;

/** A good body for a route, sent by somebody of this tenant. */
type BodyOf = (api: TestApi, tenant: TestTenant) => Promise<unknown>;

const digits = (): string => String(randomBytes(6).readUIntBE(0, 6)).padStart(8, '0').slice(-8);

/** Makes something through the API itself, as its director. */
async function make(
  api: TestApi,
  { director }: TestTenant,
  path: string,
  body: object,
): Promise<string> {
  const answer = await api.request('POST', path, { as: director, body });
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return (answer.body as { id: string }).id;
}

const made =
  (path: string, body: () => object): ParamsOf =>
  async (api, tenant) => ({ id: await make(api, tenant, path, body()) });

const person: ParamsOf = async (api, { companyId }) => ({
  id: (await api.person(companyId, 'AGENT')).id,
});

const personWithStatus =
  (status: string): ParamsOf =>
  async (api, tenant) => {
    const { id = '' } = await person(api, tenant);
    await query(api.database.adminUrl, 'UPDATE users SET status = $2 WHERE id = $1', [id, status]);
    return { id };
  };

const secondSession: ParamsOf = async (api, { companyId, director }) => {
  const owner = { companyId, userId: director.id, ipAddress: null, userAgent: null };
  const { session } = await withTenant(api.deps.db, companyId, (tx) =>
    createSession(tx, { ...owner, ttlMs: 60_000 }),
  );
  return { id: session.id };
};

const squad = made('/v1/squads', () => ({ name: `Squad ${digits()}`, type: 'sales' }));

const member: ParamsOf = async (api, tenant) => {
  const { id = '' } = await squad(api, tenant);
  await make(api, tenant, `/v1/squads/${id}/members`, { userId: tenant.agent.id }).catch(() => '');
  return { id, userId: tenant.agent.id };
};

const wallet = made('/v1/wallets', () => ({ name: 'Carteira', idgisAmbiente: Number(digits()) }));
const broker = made('/v1/brokers', () => ({
  name: `Sandbox ${digits()}`,
  provider: 'sandbox',
  channel: 'sms',
}));

const credential: ParamsOf = async (api, tenant) => {
  const { id: walletId } = await wallet(api, tenant);
  const { id: brokerId } = await broker(api, tenant);
  const config = { url: 'http://127.0.0.1:1', token: 't', webhookSecret: 's' };
  return { id: await make(api, tenant, '/v1/credentials', { walletId, brokerId, config }) };
};

const budget: ParamsOf = async (api, tenant) => {
  const { id: walletId } = await wallet(api, tenant);
  const body = { walletId, year: 2030, month: 1, budget: '10.00' };
  return { id: await make(api, tenant, '/v1/budgets', body) };
};

const campaign: ParamsOf = async (api, tenant) => {
  const { id: walletId } = await wallet(api, tenant);
  const { id: brokerId } = await broker(api, tenant);
  const body = { name: 'Acordo', baseMessage: 'Bom dia', walletId, brokerId };
  return { id: await make(api, tenant, '/v1/campaigns', body) };
};

/** One that has ended, whose stream of events does too. */
const endedCampaign: ParamsOf = async (api, tenant) => {
  const { id = '' } = await campaign(api, tenant);
  await query(api.database.adminUrl, `UPDATE campaigns SET state = 'CANCELLED' WHERE id = $1`, [
    id,
  ]);
  return { id };
};

const testSend: ParamsOf = async (api, tenant) => {
  const { companyId, director } = tenant;
  const { walletId, brokerId } = await createMeans(api.deps.db, companyId);
  const body = { name: 'Acordo', baseMessage: 'Bom dia', walletId, brokerId };
  const id = await make(api, tenant, '/v1/campaigns', body);
  const testId = await withTenant(api.deps.db, companyId, (tx) =>
    openTestSend(tx, { type: 'user', ...director }, id, { to: '+5511999990000' }),
  );
  return { id, testId };
};

/**
 * What the path parameters of a route can name, by route or by the beginning of its path; the longest one that fits
 * is taken. A new path with parameters needs a line here, or the test of the API's surface fails.
 */
const PARAMS: Readonly<Record<string, ParamsOf>> = {
  '/v1/sessions/{id}': secondSession,
  '/v1/users/{id}': person,
  'DELETE /v1/users/{id}': personWithStatus('INVITED'),
  '/v1/users/{id}/invite': personWithStatus('INVITED'),
  '/v1/users/{id}/activate': personWithStatus('INACTIVE'),
  '/v1/squads/{id}': squad,
  '/v1/squads/{id}/members/{userId}': member,
  '/v1/api-keys/{id}': async (api, { director }) => ({
    id: (await api.key(director, ['wallets:read'])).id,
  }),
  '/v1/wallets/{id}': wallet,
  '/v1/brokers/{id}': broker,
  '/v1/credentials/{id}': credential,
  '/v1/budgets/{id}': budget,
  '/v1/templates/{id}': made('/v1/templates', () => ({
    name: 'Lembrete',
    templateCode: `lembrete_${digits()}`,
    content: 'Bom dia',
  })),
  '/v1/campaigns/{id}': campaign,
  '/v1/campaigns/{id}/events': endedCampaign,
  '/v1/campaigns/{id}/test-sends/{testId}': testSend,
  '/v1/blocklist/{id}': made('/v1/blocklist', () => ({ phone: `+55119${digits()}` })),
  '/v1/fish/{id}': made('/v1/fish', () => ({ name: 'Bia', phone: `+55119${digits()}` })),
  '/v1/opt-outs/{id}': made('/v1/opt-outs', () => ({
    channel: 'sms',
    address: `+55119${digits()}`,
  })),
};

/** Good bodies, for routes with parameters that do not take an empty object. */
const BODIES: Readonly<Record<string, BodyOf>> = {
  'POST /v1/squads/{id}/members': async (api, { companyId }) => ({
    userId: (await api.person(companyId, 'AGENT')).id,
  }),
  'PATCH /v1/squads/{id}/members/{userId}': async () => ({ isLeader: true }),
  'PATCH /v1/campaigns/{id}': async () => ({ name: 'Acordo de dezembro' }),
  'POST /v1/campaigns/{id}/reject': async () => ({ reason: 'O texto tem um erro' }),
  'POST /v1/campaigns/{id}/unknown/resolve': async () => ({ as: 'failed', reason: 'Não chegou' }),
  'POST /v1/campaigns/{id}/test-send': async () => ({ to: '+5511999990000' }),
  'PUT /v1/campaigns/{id}/audience': async () => ({ items: [{ telefone: '11987654321' }] }),
  'PATCH /v1/budgets/{id}': async () => ({ budget: '20.00' }),
};

/** The fixture of a route's path parameters; undefined when nobody has written one. */
export function paramsFor(method: string, path: string): ParamsOf | undefined {
  const fits = Object.keys(PARAMS).filter(
    (key) => `${method} ${path}`.startsWith(key) || path.startsWith(key),
  );
  const [best] = fits.sort((a, b) => b.length - a.length);
  return best === undefined ? undefined : PARAMS[best];
}

export async function bodyFor(
  method: string,
  path: string,
  api: TestApi,
  tenant: TestTenant,
): Promise<unknown> {
  return BODIES[`${method} ${path}`]?.(api, tenant) ?? {};
}

/** The path with its parameters filled in. */
export function fill(path: string, params: Params): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`The fixture of ${path} lacks ${name}.`);
    return encodeURIComponent(value);
  });
}
