import { createBroker, createBudget, createCredential } from './support/factories';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';
import { auditOf } from './support/audit';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/wallets';
const wallet = async (idgisAmbiente: number, name = 'Carteira Sul') =>
  ours.call('POST', PATH, { body: { name, idgisAmbiente } });

test('a wallet is created, read, renamed and deleted, and each change is audited', async () => {
  const created = await wallet(101);
  expect(created.status).toBe(201);
  const { id } = created.body;
  expect((await ours.call('GET', `${PATH}/${id}`)).body).toEqual(created.body);
  const renamed = await ours.call('PATCH', `${PATH}/${id}`, { body: { name: 'Carteira Norte' } });
  expect(renamed.body).toMatchObject({ id, name: 'Carteira Norte', idgisAmbiente: 101 });
  expect((await ours.call('DELETE', `${PATH}/${id}`)).status).toBe(204);
  expect((await ours.call('GET', `${PATH}/${id}`)).status).toBe(404);
  const audit = await auditOf(api.db, ours.companyId, id);
  expect(audit.map(({ action }) => action)).toEqual([
    'wallet.create',
    'wallet.update',
    'wallet.delete',
  ]);
  expect(audit[1]).toMatchObject({
    actorType: 'user',
    changes: { before: { name: 'Carteira Sul' }, after: { name: 'Carteira Norte' } },
  });
});

test('idgisAmbiente is unique in a company and free in another', async () => {
  await wallet(102);
  const again = await wallet(102);
  expect(again).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  expect(again.body.errors).toEqual([{ pointer: '/idgisAmbiente', detail: 'is taken' }]);
  const body = { name: 'Carteira', idgisAmbiente: 102 };
  expect((await theirs.call('POST', PATH, { body })).status).toBe(201);
});

test('bad input is refused with a pointer to each field', async () => {
  const bad = await ours.call('POST', PATH, {
    body: { name: ' ', idgisAmbiente: 1.5, companyId: theirs.companyId },
  });
  expect(bad).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(bad.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/companyId',
    '/idgisAmbiente',
    '/name',
  ]);
});

test('an agent reads wallets and may not change them', async () => {
  const { id } = (await wallet(103)).body;
  expect((await ours.call('GET', PATH, {}, 'AGENT')).status).toBe(200);
  for (const [method, path, body] of [
    ['POST', PATH, { name: 'x', idgisAmbiente: 1 }],
    ['PATCH', `${PATH}/${id}`, { name: 'x' }],
    ['DELETE', `${PATH}/${id}`, undefined],
  ] as const) {
    const refused = await ours.call(method, path, { body }, 'AGENT');
    expect(refused).toMatchObject({ status: 403, body: { permission: 'wallets:write' } });
  }
});

test("another company's wallet does not exist", async () => {
  const { id } = (await wallet(104)).body;
  expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('PATCH', `${PATH}/${id}`, { body: { name: 'x' } })).status).toBe(404);
  expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
  const { items } = (await theirs.call('GET', PATH)).body;
  expect(items.map((item: { id: string }) => item.id)).not.toContain(id);
});

test('a list is paged newest first and filtered, with % and _ as themselves', async () => {
  const tenant = await api.tenant();
  for (const [index, name] of ['100% paga', '100 paga', 'a_b', 'axb', 'Última'].entries())
    await tenant.call('POST', PATH, { body: { name, idgisAmbiente: index } });
  const names: string[] = [];
  let cursor = '';
  do {
    const { body } = await tenant.call('GET', `${PATH}?limit=2${cursor}`);
    names.push(...body.items.map((item: { name: string }) => item.name));
    cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
  } while (cursor !== '');
  expect(names).toEqual(['Última', 'axb', 'a_b', '100 paga', '100% paga']);
  const found = async (query: string) =>
    (await tenant.call('GET', `${PATH}?${query}`)).body.items.map(
      (item: { name: string }) => item.name,
    );
  expect(await found('text=100%25')).toEqual(['100% paga']);
  expect(await found('text=A_B')).toEqual(['a_b']);
  expect(await found('idgisAmbiente=3')).toEqual(['axb']);
});

test('a wallet in use is not deleted, and the answer says what uses it', async () => {
  const { id: walletId } = (await wallet(105)).body;
  const brokerId = await createBroker(api.db, ours.companyId);
  await createCredential(api.db, ours.companyId, { walletId, brokerId });
  await createBudget(api.db, ours.companyId, { walletId, month: 1 });
  await createBudget(api.db, ours.companyId, { walletId, month: 2 });
  const refused = await ours.call('DELETE', `${PATH}/${walletId}`);
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'CONFLICT', usedBy: { budgets: 2, credentials: 1 } },
  });
  expect(refused.body.detail).toBe('The wallet is in use by 2 budgets and 1 credential.');
});

test('a repeated write with the same Idempotency-Key gets the first answer', async () => {
  const write = { body: { name: 'Uma', idgisAmbiente: 106 }, headers: { 'idempotency-key': 'k1' } };
  const first = await ours.call('POST', PATH, write);
  const second = await ours.call('POST', PATH, write);
  expect(second).toMatchObject({ status: 201, body: first.body });
  expect(second.headers.get('idempotent-replayed')).toBe('true');
});
