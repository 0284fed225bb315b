import { auditOf } from './support/audit';
import { createBroker, createCampaign, createWallet } from './support/money-rows';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/templates';
const TEXT = {
  content: 'Olá {{1}}, sua parcela de {{2}} vence hoje.',
  variables: { '1': 'nome', '2': 'Valor da Dívida' },
};
const pointers = (body: { errors: { pointer: string }[] }) =>
  body.errors.map(({ pointer }) => pointer).sort();
const template = (templateCode: string, tenant = ours) =>
  tenant.call('POST', PATH, { body: { name: 'Cobrança', templateCode, ...TEXT } });

test('a template is created, changed and deleted by a manager, and each change is audited', async () => {
  const body = { name: 'Cobrança', templateCode: 'cobranca_acordo_v3', ...TEXT };
  const created = await ours.call('POST', PATH, { body }, 'MANAGER');
  expect(created).toMatchObject({ status: 201, body });
  const path = `${PATH}/${created.body.id}`;
  const changed = await ours.call(
    'PATCH',
    path,
    { body: { content: 'Olá {{1}}', variables: { '1': 'nome' } } },
    'MANAGER',
  );
  expect(changed.body).toMatchObject({ content: 'Olá {{1}}', variables: { '1': 'nome' } });
  expect((await ours.call('DELETE', path, {}, 'MANAGER')).status).toBe(204);
  const audit = await auditOf(api.db, ours.companyId, created.body.id);
  expect(audit.map(({ action }) => action)).toEqual([
    'template.create',
    'template.update',
    'template.delete',
  ]);
});

test.each([
  ['a number without a column', 'Olá {{1}} {{2}}', { '1': 'nome' }, ['/variables/2']],
  ['a column without its number', 'Olá {{1}}', { '1': 'nome', '2': 'cpf' }, ['/variables/2']],
  ['a gap', 'Olá {{1}} {{3}}', { '1': 'nome', '3': 'cpf' }, ['/content']],
  ['a column for no number', 'Olá', { 'a/b': 'nome' }, ['/variables/a~1b']],
  ['a column without a name', 'Olá {{1}}', { '1': '--' }, ['/variables/1']],
  ['no content', '', {}, ['/content']],
  ['a placeholder that is never closed', 'Oi {{nome}', {}, ['/content']],
  ['a placeholder of nothing', 'Oi {{ }}', {}, ['/content']],
])('%s is refused', async (_, content, variables, fields) => {
  const body = { name: 'x', templateCode: 'errado', content, variables };
  const refused = await ours.call('POST', PATH, { body });
  expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(pointers(refused.body)).toEqual(fields);
});

test('new content must agree with the columns that stay', async () => {
  const { id } = (await template('parcial')).body;
  const refused = await ours.call('PATCH', `${PATH}/${id}`, { body: { content: 'Olá {{1}}' } });
  expect(refused.status).toBe(400);
  expect(pointers(refused.body)).toEqual(['/variables/2']);
});

test('templateCode is unique in a company and free in another', async () => {
  await template('unico');
  const again = await template('unico');
  expect(again.status).toBe(409);
  expect(pointers(again.body)).toEqual(['/templateCode']);
  expect((await template('unico', theirs)).status).toBe(201);
});

test('a preview shows the text, what is missing and how many SMS it is', async () => {
  const { id } = (await template('previa')).body;
  const preview = (values: object) =>
    ours.call('POST', `${PATH}/${id}/preview`, { body: { values } }, 'AGENT');
  expect((await preview({ nome: 'Ana', valor_da_divida: 'R$ 10' })).body).toEqual({
    text: 'Olá Ana, sua parcela de R$ 10 vence hoje.',
    missing: [],
    sms: { encoding: 'ucs2', units: 41, segments: 1 },
  });
  expect((await preview({ '1': 'Ana', '2': ' ' })).body).toMatchObject({
    text: 'Olá Ana, sua parcela de {{valor_da_divida}} vence hoje.',
    missing: ['valor_da_divida'],
  });
  expect((await preview({})).body.missing).toEqual(['nome', 'valor_da_divida']);
});

test('a text can be previewed before it is stored, also twice with one Idempotency-Key', async () => {
  const request = {
    body: { content: 'Oi {{1}} {{cidade}}', variables: { '1': 'nome' }, values: { nome: '{{1}}' } },
    headers: { 'idempotency-key': 'preview' },
  };
  const first = await ours.call('POST', `${PATH}/preview`, request, 'AGENT');
  expect(first).toMatchObject({
    status: 200,
    body: { text: 'Oi {{1}} {{cidade}}', missing: ['cidade'], sms: { encoding: 'gsm7' } },
  });
  const second = await ours.call('POST', `${PATH}/preview`, request, 'AGENT');
  expect(second).toMatchObject({ status: 200, body: first.body });
  const wrong = { body: { content: '{{1}}' } };
  expect((await ours.call('POST', `${PATH}/preview`, wrong)).status).toBe(400);
});

test('an agent may not write templates', async () => {
  const { id } = (await template('agente')).body;
  const body = { name: 'x', templateCode: 'y', content: 'z' };
  expect((await ours.call('POST', PATH, { body }, 'AGENT')).status).toBe(403);
  const patch = { body: { name: 'x' } };
  expect((await ours.call('PATCH', `${PATH}/${id}`, patch, 'AGENT')).status).toBe(403);
  expect((await ours.call('DELETE', `${PATH}/${id}`, {}, 'AGENT')).status).toBe(403);
});

test("another company's template does not exist", async () => {
  const { id } = (await template('alheio')).body;
  const requests = [
    ['GET', '', undefined],
    ['PATCH', '', { name: 'x' }],
    ['DELETE', '', undefined],
    ['POST', '/preview', { values: {} }],
  ] as const;
  for (const [method, end, body] of requests)
    expect((await theirs.call(method, `${PATH}/${id}${end}`, { body })).status).toBe(404);
});

test('a template that a campaign uses may be changed and is not deleted', async () => {
  const { id: templateId } = (await template('em_uso')).body;
  const { companyId } = ours;
  const walletId = await createWallet(api.db, companyId);
  const brokerId = await createBroker(api.db, companyId);
  await createCampaign(api.db, companyId, { walletId, brokerId, templateId });
  const path = `${PATH}/${templateId}`;
  expect((await ours.call('PATCH', path, { body: { name: 'Novo nome' } })).status).toBe(200);
  expect(await ours.call('DELETE', path)).toMatchObject({
    status: 409,
    body: { usedBy: { campaigns: 1 } },
  });
});
