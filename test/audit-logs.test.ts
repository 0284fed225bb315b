import { startTestApi, type Answer, type TestApi, type TestTenant } from './support/api';
import { query } from './support/database';

let api: TestApi;
let tenant: TestTenant;
beforeAll(async () => {
  api = await startTestApi();
  tenant = await api.tenant();
});
afterAll(() => api.close());

const list = (filter = ''): Promise<Answer> =>
  api.request('GET', `/v1/audit-logs?${filter}`, { as: tenant.director });
const actions = async (filter = ''): Promise<string[]> =>
  (await list(filter)).body.items.map(({ action }: { action: string }) => action);

let wallets = 0;
const wallet = async (as: { token: string }, headers: Record<string, string> = {}) =>
  api.request('POST', '/v1/wallets', {
    as,
    headers,
    body: { name: 'Carteira', idgisAmbiente: (wallets += 1) },
  });

test('a line names who, what, from where and in which request', async () => {
  const headers = { 'user-agent': 'Navegador/1.0', 'x-request-id': 'pedido-1' };
  const { body } = await wallet(tenant.director, headers);
  const [line] = (await list(`entityId=${body.id}`)).body.items;
  expect(line).toMatchObject({
    actorType: 'user',
    actorId: tenant.director.id,
    action: 'wallet.create',
    entityType: 'wallet',
    entityId: body.id,
    changes: { before: null, after: { name: 'Carteira' } },
    ipAddress: '127.0.0.1',
    userAgent: 'Navegador/1.0',
    requestId: 'pedido-1',
    createdAt: expect.any(String),
  });
});

test('a refused write leaves no line', async () => {
  const before = (await list()).body.items.length;
  const again = { name: 'Carteira', idgisAmbiente: wallets };
  const answer = await api.request('POST', '/v1/wallets', { as: tenant.director, body: again });
  expect(answer.status).toBe(409);
  expect((await list()).body.items).toHaveLength(before);
});

test('lines are filtered by actor, kind of actor, entity, action and time', async () => {
  const key = await api.key(tenant.director, ['wallets:write']);
  const made = (await wallet(key)).body;
  await api.request('PATCH', '/v1/company', { as: tenant.director, body: { name: 'Nova' } });
  expect(await actions(`actorId=${key.id}`)).toEqual(['wallet.create']);
  expect(await actions('actorType=key')).toEqual(['wallet.create']);
  expect(await actions('entityType=company')).toEqual(['company.update']);
  expect(await actions(`entityType=wallet&entityId=${made.id}`)).toEqual(['wallet.create']);
  expect(await actions('action=company.update')).toEqual(['company.update']);
  const { createdAt } = (await list('entityType=company')).body.items[0];
  const after = new Date(Date.parse(createdAt) + 1).toISOString();
  expect(
    await actions(`createdFrom=${createdAt}&createdUntil=${after}&entityType=company`),
  ).toHaveLength(1);
  expect(await actions(`createdUntil=${createdAt}&entityType=company`)).toEqual([]);
  expect(await actions(`createdFrom=${after}&entityType=company`)).toEqual([]);
});

test('pages follow each other without a gap, newest first', async () => {
  for (let index = 0; index < 5; index += 1) await wallet(tenant.director);
  const all: string[] = (await list('limit=200')).body.items.map(({ id }: { id: string }) => id);
  const paged: string[] = [];
  for (let cursor = ''; ;) {
    const { body } = await list(`limit=3${cursor}`);
    paged.push(...body.items.map(({ id }: { id: string }) => id));
    if (body.nextCursor === null) break;
    cursor = `&cursor=${body.nextCursor}`;
  }
  expect(paged).toEqual(all);
  expect(paged).toEqual([...paged].sort().toReversed());
});

test.each(['actorId=x', 'actorType=robot', 'createdFrom=ontem', 'limit=1000'])(
  'a bad filter %s is pointed at',
  async (filter) => {
    const answer = await list(filter);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].pointer).toBe(`/query/${filter.split('=')[0]}`);
  },
);

test('another company’s lines are not seen', async () => {
  await wallet(api.second.director);
  const ids: string[] = (await list('limit=200')).body.items.map(
    ({ actorId }: { actorId: string }) => actorId,
  );
  expect(ids).not.toContain(api.second.director.id);
});

test('nobody rewrites it: the application may not change or delete a line', async () => {
  for (const statement of ['UPDATE audit_logs SET action = action', 'DELETE FROM audit_logs'])
    await expect(query(api.database.appUrl, statement)).rejects.toMatchObject({ code: '42501' });
});
