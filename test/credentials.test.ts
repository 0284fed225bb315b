import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { createBroker, createExecution, createWallet } from './support/money-rows';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/credentials';
const CONFIG = {
  url: 'https://sandbox.example.com',
  token: 'segredo-muito-secreto',
  webhookSecret: 'outro-segredo',
};

async function pair(tenant = ours) {
  return {
    walletId: await createWallet(api.db, tenant.companyId),
    brokerId: await createBroker(api.db, tenant.companyId),
  };
}
const pointers = (body: { errors: { pointer: string }[] }) =>
  body.errors.map(({ pointer }) => pointer).sort();
const stored = (id: string) =>
  withTenant(api.db, ours.companyId, (tx) => tx.credential.findUniqueOrThrow({ where: { id } }));

test('a credential shows the names of its config, keeps the values encrypted and has a webhook of its own', async () => {
  const ids = await pair();
  const created = await ours.call('POST', PATH, { body: { ...ids, config: CONFIG } });
  expect(created).toMatchObject({
    status: 201,
    body: {
      ...ids,
      provider: 'sandbox',
      active: true,
      version: 1,
      configKeys: ['token', 'url', 'webhookSecret'],
    },
  });
  const { id, webhookUrl } = created.body;
  expect(webhookUrl).toMatch(/^https:\/\/api\.example\.com\/v1\/webhooks\/sandbox\/[\w-]{43}$/);
  expect(JSON.stringify(created.body)).not.toContain('segredo');
  const row = await stored(id);
  expect(row.encryptedConfig).not.toContain('segredo');
  expect(JSON.parse(api.encryption.decrypt(row.encryptedConfig, ours.companyId, id))).toEqual(
    CONFIG,
  );
  const [audit] = await auditOf(api.db, ours.companyId, id);
  expect(audit).toMatchObject({ action: 'credential.create', changes: { after: { version: 1 } } });
  expect(JSON.stringify(audit)).not.toMatch(/segredo|v1:/);
  expect(JSON.stringify(audit)).not.toContain(row.webhookToken);
});

test('a new config replaces the old one and raises the version; switching off does not', async () => {
  const { id } = (await ours.call('POST', PATH, { body: { ...(await pair()), config: CONFIG } }))
    .body;
  const off = await ours.call('PATCH', `${PATH}/${id}`, { body: { active: false } });
  expect(off.body).toMatchObject({ active: false, version: 1 });
  const config = { ...CONFIG, token: 'novo', connections: 8 };
  const renewed = await ours.call('PATCH', `${PATH}/${id}`, { body: { config } });
  expect(renewed.body).toMatchObject({
    active: false,
    version: 2,
    configKeys: ['connections', 'token', 'url', 'webhookSecret'],
  });
  const { encryptedConfig } = await stored(id);
  expect(JSON.parse(api.encryption.decrypt(encryptedConfig, ours.companyId, id))).toEqual(config);
});

test('what the vendor refuses is pointed at in the body, without its value', async () => {
  const ids = await pair();
  const config = { url: 'ftp://segredo', token: '', extra: 1, webhookSecret: 'x' };
  const refused = await ours.call('POST', PATH, { body: { ...ids, config } });
  expect(refused.status).toBe(400);
  expect(pointers(refused.body)).toEqual(['/config/extra', '/config/token', '/config/url']);
  expect(JSON.stringify(refused.body)).not.toContain('segredo');
  const { id } = (await ours.call('POST', PATH, { body: { ...ids, config: CONFIG } })).body;
  const worse = await ours.call('PATCH', `${PATH}/${id}`, { body: { config: {} } });
  expect(pointers(worse.body)).toEqual(['/config/token', '/config/url', '/config/webhookSecret']);
  expect((await stored(id)).version).toBe(1);
});

test('of a wallet and a broker one credential is active', async () => {
  const ids = await pair();
  const first = await ours.call('POST', PATH, { body: { ...ids, config: CONFIG } });
  const second = await ours.call('POST', PATH, { body: { ...ids, config: CONFIG } });
  expect(second).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  const spare = await ours.call('POST', PATH, {
    body: { ...ids, config: CONFIG, active: false },
  });
  expect(spare.status).toBe(201);
  const path = `${PATH}/${spare.body.id}`;
  expect((await ours.call('PATCH', path, { body: { active: true } })).status).toBe(409);
  await ours.call('PATCH', `${PATH}/${first.body.id}`, { body: { active: false } });
  expect((await ours.call('PATCH', path, { body: { active: true } })).status).toBe(200);
  const { body } = await ours.call('GET', `${PATH}?walletId=${ids.walletId}&active=true`);
  expect(body.items.map((item: { id: string }) => item.id)).toEqual([spare.body.id]);
});

test("another company's wallet, broker and credential do not exist", async () => {
  const [our, their] = [await pair(), await pair(theirs)];
  for (const [field, value] of Object.entries(their)) {
    const refused = await ours.call('POST', PATH, {
      body: { ...our, [field]: value, config: CONFIG },
    });
    expect(refused.status).toBe(404);
    expect(pointers(refused.body)).toEqual([`/${field}`]);
  }
  const { id } = (await ours.call('POST', PATH, { body: { ...our, config: CONFIG } })).body;
  expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
  const patch = { body: { config: CONFIG } };
  expect((await theirs.call('PATCH', `${PATH}/${id}`, patch)).status).toBe(404);
  expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
});

test('only who manages credentials sees or changes them', async () => {
  for (const role of ['AGENT', 'MANAGER'] as const) {
    expect((await ours.call('GET', PATH, {}, role)).status).toBe(403);
    const body = { ...(await pair()), config: CONFIG };
    expect((await ours.call('POST', PATH, { body }, role)).status).toBe(403);
  }
});

test('a credential is deleted only when nothing was sent with it', async () => {
  const unused = await ours.call('POST', PATH, { body: { ...(await pair()), config: CONFIG } });
  expect((await ours.call('DELETE', `${PATH}/${unused.body.id}`)).status).toBe(204);
  const ids = await pair();
  const { id } = (await ours.call('POST', PATH, { body: { ...ids, config: CONFIG } })).body;
  const running = { ...ids, credentialId: id };
  const execution = await createExecution(api.db, ours.companyId, running);
  expect(await ours.call('DELETE', `${PATH}/${id}`)).toMatchObject({
    status: 409,
    body: { usedBy: { 'unfinished executions': 1 } },
  });
  await withTenant(api.db, ours.companyId, (tx) =>
    tx.campaignExecution.update({ where: { id: execution }, data: { state: 'FINISHED' } }),
  );
  expect(await ours.call('DELETE', `${PATH}/${id}`)).toMatchObject({
    status: 409,
    body: { usedBy: { executions: 1 } },
  });
});
