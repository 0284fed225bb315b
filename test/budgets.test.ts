import { randomUUID } from 'node:crypto';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { query, withClient } from './support/database';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';
import {
  createBroker,
  createCredential,
  createExecution,
  createWallet,
} from './support/money-rows';
import { until } from './support/until';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/budgets';
const pointers = (body: { errors: { pointer: string }[] }) =>
  body.errors.map(({ pointer }) => pointer).sort();

async function budget(amount = '100', month = 11) {
  const walletId = await createWallet(api.db, ours.companyId);
  const body = { walletId, year: 2026, month, budget: amount };
  return (await ours.call('POST', PATH, { body })).body;
}

/** What the dispatch does to a budget. */
const commit = (id: string, figures: { used?: string; reserved?: string }) =>
  withTenant(api.db, ours.companyId, (tx) => tx.budget.update({ where: { id }, data: figures }));

test('figures are decimal strings with four places, exact to the last of them', async () => {
  const created = await budget('1500.10');
  expect(created).toMatchObject({
    budget: '1500.1000',
    used: '0.0000',
    reserved: '0.0000',
    remaining: '1500.1000',
  });
  await commit(created.id, { used: '0.0001', reserved: '0.0002' });
  expect((await ours.call('GET', `${PATH}/${created.id}`)).body).toMatchObject({
    used: '0.0001',
    reserved: '0.0002',
    remaining: '1500.0997',
  });
  const largest = await ours.call('PATCH', `${PATH}/${created.id}`, {
    body: { budget: '9999999999.9999' },
  });
  expect(largest.body.remaining).toBe('9999999999.9996');
});

test.each([
  ['a float', { budget: 100.5 }, '/budget'],
  ['a fifth place', { budget: '1.00001' }, '/budget'],
  ['a negative one', { budget: '-1' }, '/budget'],
  ['a decimal comma', { budget: '1,50' }, '/budget'],
  ['eleven digits', { budget: '10000000000' }, '/budget'],
  ['a thirteenth month', { month: 13 }, '/month'],
  ['a wallet that is no id', { walletId: 'x' }, '/walletId'],
  ['used money', { used: '1' }, '/used'],
])('%s is refused', async (_, wrong, pointer) => {
  const body = { walletId: randomUUID(), year: 2026, month: 1, budget: '1', ...wrong };
  const refused = await ours.call('POST', PATH, { body });
  expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(pointers(refused.body)).toEqual([pointer]);
});

test('a wallet has one budget a month', async () => {
  const { walletId } = await budget('1', 3);
  const body = { walletId, year: 2026, month: 3, budget: '2' };
  expect((await ours.call('POST', PATH, { body })).status).toBe(409);
  expect((await ours.call('POST', PATH, { body: { ...body, month: 4 } })).status).toBe(201);
  expect((await ours.call('POST', PATH, { body: { ...body, year: 2027 } })).status).toBe(201);
  const { body: list } = await ours.call('GET', `${PATH}?walletId=${walletId}&year=2026`);
  expect(list.items.map(({ month }: { month: number }) => month)).toEqual([4, 3]);
});

test('a budget is lowered to what is used and reserved and not under it', async () => {
  const { id } = await budget('100');
  await commit(id, { used: '10.0001', reserved: '20.0002' });
  const path = `${PATH}/${id}`;
  const refused = await ours.call('PATCH', path, { body: { budget: '30.0002' } });
  expect(refused).toMatchObject({
    status: 409,
    body: {
      code: 'BUDGET_EXCEEDED',
      budget: '100.0000',
      used: '10.0001',
      reserved: '20.0002',
      minimum: '30.0003',
    },
  });
  const lowered = await ours.call('PATCH', path, { body: { budget: '30.0003' } });
  expect(lowered).toMatchObject({ status: 200, body: { remaining: '0.0000' } });
  expect((await auditOf(api.db, ours.companyId, id)).map(({ changes }) => changes)).toMatchObject([
    { after: { budget: '100' } },
    { before: { budget: '100' }, after: { budget: '30.0003' } },
  ]);
});

test('a reservation that is being made decides over a lowering at the same time', async () => {
  const { id } = await budget('100');
  await withClient(api.database.adminUrl, async (dispatch) => {
    await dispatch.query('BEGIN');
    await dispatch.query('UPDATE budgets SET reserved = reserved + 60 WHERE id = $1', [id]);
    const lowering = ours.call('PATCH', `${PATH}/${id}`, { body: { budget: '50' } });
    await until('the lowering waits for the reservation', async () => {
      const waiting = await query(
        api.database.adminUrl,
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return waiting.length > 0;
    });
    await dispatch.query('COMMIT');
    expect(await lowering).toMatchObject({ status: 409, body: { reserved: '60.0000' } });
  });
  expect((await ours.call('GET', `${PATH}/${id}`)).body.budget).toBe('100.0000');
});

test('a lowering that is being made decides over a reservation at the same time', async () => {
  const { id } = await budget('100');
  await ours.call('PATCH', `${PATH}/${id}`, { body: { budget: '50' } });
  await expect(commit(id, { reserved: '50.0001' })).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('more money, and the first money of a month, make running campaigns look again', async () => {
  const { id, walletId } = await budget('100');
  const brokerId = await createBroker(api.db, ours.companyId);
  const credentialId = await createCredential(api.db, ours.companyId, { walletId, brokerId });
  const ids = { walletId, brokerId, credentialId };
  const running = await createExecution(api.db, ours.companyId, ids);
  await createExecution(api.db, ours.companyId, { ...ids, state: 'PAUSED' });
  const outbox = () =>
    withTenant(api.db, ours.companyId, (tx) =>
      tx.outbox.findMany({ select: { topic: true, subjectId: true } }),
    );
  await ours.call('PATCH', `${PATH}/${id}`, { body: { budget: '99' } });
  expect(await outbox()).toEqual([]);
  const nudged = api.nudges();
  await ours.call('PATCH', `${PATH}/${id}`, { body: { budget: '100' } });
  expect(await outbox()).toEqual([{ topic: 'execution', subjectId: running }]);
  expect(api.nudges()).toBeGreaterThan(nudged);
  await ours.call('POST', PATH, { body: { walletId, year: 2026, month: 12, budget: '5' } });
  expect(await outbox()).toHaveLength(2);
});

test('a budget that was used, or is reserved, is not deleted', async () => {
  const fresh = await budget();
  expect((await ours.call('DELETE', `${PATH}/${fresh.id}`)).status).toBe(204);
  const { id } = await budget();
  await commit(id, { reserved: '0.0001' });
  const refused = await ours.call('DELETE', `${PATH}/${id}`);
  expect(refused).toMatchObject({ status: 409, body: { reserved: '0.0001' } });
});

test('an agent and a manager read budgets and may not change them', async () => {
  const { id, walletId } = await budget();
  for (const role of ['AGENT', 'MANAGER'] as const) {
    expect((await ours.call('GET', `${PATH}/${id}`, {}, role)).status).toBe(200);
    const body = { walletId, year: 2026, month: 1, budget: '1' };
    expect((await ours.call('POST', PATH, { body }, role)).status).toBe(403);
    const patch = { body: { budget: '1' } };
    expect((await ours.call('PATCH', `${PATH}/${id}`, patch, role)).status).toBe(403);
    expect((await ours.call('DELETE', `${PATH}/${id}`, {}, role)).status).toBe(403);
  }
});

test("another company's budget and wallet do not exist", async () => {
  const { id, walletId } = await budget();
  expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('PATCH', `${PATH}/${id}`, { body: { budget: '1' } })).status).toBe(404);
  expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
  const body = { walletId, year: 2026, month: 5, budget: '1' };
  expect((await theirs.call('POST', PATH, { body })).status).toBe(404);
  expect((await theirs.call('GET', `${PATH}?walletId=${walletId}`)).body.items).toEqual([]);
});
