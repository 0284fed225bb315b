import { auditOf } from './support/audit';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/opt-outs';
const optOut = (channel: string, address: string, tenant = ours) =>
  tenant.call('POST', PATH, { body: { channel, address, reason: 'pediu' } }, 'MANAGER');

test('an address is kept as the gate compares it, found by any spelling, and its removal is audited', async () => {
  const sms = await optOut('sms', '(11) 98765-4321');
  expect(sms).toMatchObject({ status: 201, body: { address: '+5511987654321', reason: 'pediu' } });
  const email = await optOut('email', ' Ana.Lima@Example.com ');
  expect(email.body.address).toBe('ana.lima@example.com');
  const found = async (query: string) =>
    (await ours.call('GET', `${PATH}?${query}`)).body.items.map((item: { id: string }) => item.id);
  expect(await found('address=11987654321')).toEqual([sms.body.id]);
  expect(await found('address=ANA.LIMA%40example.com&channel=email')).toEqual([email.body.id]);
  expect(await found('address=11987654321&channel=whatsapp')).toEqual([]);
  expect((await ours.call('DELETE', `${PATH}/${sms.body.id}`)).status).toBe(204);
  const audit = await auditOf(api.db, ours.companyId, sms.body.id);
  expect(audit.map(({ action, changes }) => [action, changes])).toMatchObject([
    ['opt_out.create', { after: { address: '+5511987654321' } }],
    ['opt_out.delete', { before: { address: '+5511987654321' } }],
  ]);
});

test('an address opts out of each channel once, in each company', async () => {
  await optOut('sms', '21987654321');
  const again = await optOut('sms', '+55 21 98765 4321');
  expect(again.status).toBe(409);
  expect(again.body.errors).toEqual([{ pointer: '/address', detail: 'is taken' }]);
  expect((await optOut('whatsapp', '21987654321')).status).toBe(201);
  expect((await optOut('sms', '21987654321', theirs)).status).toBe(201);
});

test.each([
  ['sms', 'ana@example.com', '/address'],
  ['email', '11987654321', '/address'],
  ['fax', '11987654321', '/channel'],
])('%s with %s is refused', async (channel, address, pointer) => {
  const refused = await optOut(channel, address);
  expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(refused.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer]);
});

test('an agent may not add or remove opt-outs', async () => {
  const { id } = (await optOut('sms', '31987654321')).body;
  const body = { channel: 'sms', address: '31987654322' };
  expect((await ours.call('POST', PATH, { body }, 'AGENT')).status).toBe(403);
  expect((await ours.call('DELETE', `${PATH}/${id}`, {}, 'AGENT')).status).toBe(403);
});

test("another company's opt-out does not exist", async () => {
  const { id } = (await optOut('sms', '41987654321')).body;
  expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('GET', `${PATH}?address=41987654321`)).body.items).toEqual([]);
});
