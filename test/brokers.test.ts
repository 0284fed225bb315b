import { createCredential, createWallet } from './support/factories';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/brokers';
const SMS = { name: 'SMS Brasil', provider: 'sandbox', channel: 'sms', costPerMessage: '0.0725' };
const pointers = (body: { errors: { pointer: string }[] }) =>
  body.errors.map(({ pointer }) => pointer).sort();

test('a broker keeps its price to the fourth place and its rate to the third', async () => {
  const created = await ours.call('POST', PATH, { body: { ...SMS, ratePerSecond: 0.125 } });
  expect(created).toMatchObject({
    status: 201,
    body: { ...SMS, billingUnit: 'message', ratePerSecond: 0.125 },
  });
  const { id } = created.body;
  const changed = await ours.call('PATCH', `${PATH}/${id}`, {
    body: { costPerMessage: '999999.9999', billingUnit: 'segment', ratePerSecond: null },
  });
  expect(changed.body).toMatchObject({
    name: SMS.name,
    costPerMessage: '999999.9999',
    billingUnit: 'segment',
    ratePerSecond: null,
  });
  expect((await ours.call('DELETE', `${PATH}/${id}`)).status).toBe(204);
});

test('without a price a message is free', async () => {
  const { costPerMessage: _, ...free } = { ...SMS, name: 'Grátis' };
  expect((await ours.call('POST', PATH, { body: free })).body.costPerMessage).toBe('0.0000');
});

test.each([
  ['a price as a float', { costPerMessage: 0.0725 }, ['/costPerMessage']],
  ['a negative price', { costPerMessage: '-0.01' }, ['/costPerMessage']],
  ['a fifth place', { costPerMessage: '0.00001' }, ['/costPerMessage']],
  ['a price in exponents', { costPerMessage: '1e3' }, ['/costPerMessage']],
  ['a rate of nothing', { ratePerSecond: 0 }, ['/ratePerSecond']],
  ['an unknown channel', { channel: 'fax' }, ['/channel']],
  ['an unknown vendor', { provider: 'pombo' }, ['/provider']],
  ['segments of what has none', { channel: 'email', billingUnit: 'segment' }, ['/billingUnit']],
])('%s is refused', async (_, wrong, fields) => {
  const refused = await ours.call('POST', PATH, { body: { ...SMS, name: 'Errado', ...wrong } });
  expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(pointers(refused.body)).toEqual(fields);
});

test('a patch is checked together with what stays', async () => {
  const body = { ...SMS, name: 'Por segmento', billingUnit: 'segment' };
  const { id } = (await ours.call('POST', PATH, { body })).body;
  const refused = await ours.call('PATCH', `${PATH}/${id}`, { body: { channel: 'whatsapp' } });
  expect(refused.status).toBe(400);
  expect(pointers(refused.body)).toEqual(['/billingUnit']);
  expect((await ours.call('GET', `${PATH}/${id}`)).body.channel).toBe('sms');
});

test('a name is unique in a company and free in another', async () => {
  const body = { ...SMS, name: 'Único' };
  const { id } = (await ours.call('POST', PATH, { body })).body;
  const again = await ours.call('POST', PATH, { body });
  expect(again.status).toBe(409);
  expect(pointers(again.body)).toEqual(['/name']);
  expect((await theirs.call('POST', PATH, { body })).status).toBe(201);
  for (const method of ['GET', 'PATCH', 'DELETE'])
    expect(
      (await theirs.call(method, `${PATH}/${id}`, method === 'PATCH' ? { body: {} } : {})).status,
    ).toBe(404);
});

test('who may not write brokers cannot, and may read them', async () => {
  expect((await ours.call('POST', PATH, { body: SMS }, 'MANAGER')).status).toBe(403);
  expect((await ours.call('GET', PATH, {}, 'AGENT')).status).toBe(200);
});

test('under a credential the price may change, provider and channel may not, and it is not deleted', async () => {
  const { id: brokerId } = (await ours.call('POST', PATH, { body: { ...SMS, name: 'Em uso' } }))
    .body;
  const walletId = await createWallet(api.db, ours.companyId);
  await createCredential(api.db, ours.companyId, { walletId, brokerId });
  const path = `${PATH}/${brokerId}`;
  const priced = await ours.call('PATCH', path, { body: { channel: 'sms', costPerMessage: '1' } });
  expect(priced).toMatchObject({ status: 200, body: { costPerMessage: '1.0000' } });
  const moved = await ours.call('PATCH', path, { body: { channel: 'rcs' } });
  expect(moved).toMatchObject({ status: 409, body: { usedBy: { credentials: 1 } } });
  expect(pointers(moved.body)).toEqual(['/channel']);
  expect(await ours.call('DELETE', path)).toMatchObject({
    status: 409,
    body: { usedBy: { credentials: 1 } },
  });
});

test('a list is filtered by name, provider and channel', async () => {
  const tenant = await api.tenant();
  for (const channel of ['sms', 'email'])
    await tenant.call('POST', PATH, { body: { ...SMS, name: `Canal ${channel}`, channel } });
  const found = async (query: string) =>
    (await tenant.call('GET', `${PATH}?${query}`)).body.items.map(
      (item: { channel: string }) => item.channel,
    );
  expect(await found('channel=email')).toEqual(['email']);
  expect(await found('text=canal&provider=sandbox')).toEqual(['email', 'sms']);
  expect(await found('provider=twilio')).toEqual([]);
});
