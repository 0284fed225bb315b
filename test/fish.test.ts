import type { MessageTerms } from '../domain/audience-assessment';
import { createComposer } from '../domain/campaign-messages';
import { fishMessage } from '../domain/fish';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/fish';
const fish = (phone: string, tenant = ours, name = 'Pescador') =>
  tenant.call('POST', PATH, { body: { name, phone } }, 'MANAGER');

test('a fish is kept with its phone in E.164, and found by any spelling', async () => {
  const created = await fish('(11) 98765-4321');
  expect(created).toMatchObject({ status: 201, body: { phone: '+5511987654321' } });
  const { body } = await ours.call('GET', `${PATH}?phone=011%2098765.4321`);
  expect(body.items).toEqual([created.body]);
  const path = `${PATH}/${created.body.id}`;
  const moved = await ours.call('PATCH', path, { body: { phone: '21 98765-4321' } });
  expect(moved.body).toMatchObject({ name: 'Pescador', phone: '+5521987654321' });
  expect((await ours.call('DELETE', path)).status).toBe(204);
});

test('a phone is unique in a company, in whatever spelling, and free in another', async () => {
  await fish('+55 31 98765-4321');
  const again = await fish('031987654321');
  expect(again.status).toBe(409);
  expect(again.body.errors).toEqual([{ pointer: '/phone', detail: 'is taken' }]);
  expect((await fish('31987654321', theirs)).status).toBe(201);
});

test.each([
  ['abc', 'contains letters'],
  ['5.51E+12', 'was damaged by a spreadsheet (scientific notation)'],
  ['987654321', 'has no area code'],
  ['', 'is empty'],
  ['(11) 3333-4444', 'is a landline'],
])('the phone %j is refused, with why', async (phone, detail) => {
  const refused = await fish(phone);
  expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
  expect(refused.body.errors).toEqual([{ pointer: '/phone', detail }]);
});

test('a fish does not become a landline', async () => {
  const { id } = (await fish('61 98765-4321')).body;
  const moved = await ours.call('PATCH', `${PATH}/${id}`, { body: { phone: '6133334444' } });
  expect(moved).toMatchObject({ status: 400, body: { errors: [{ detail: 'is a landline' }] } });
});

test('an agent reads fish and may not change them', async () => {
  const { id } = (await fish('41987654321')).body;
  expect((await ours.call('GET', `${PATH}/${id}`, {}, 'AGENT')).status).toBe(200);
  const body = { name: 'x', phone: '41987654322' };
  expect((await ours.call('POST', PATH, { body }, 'AGENT')).status).toBe(403);
  expect((await ours.call('PATCH', `${PATH}/${id}`, { body: {} }, 'AGENT')).status).toBe(403);
  expect((await ours.call('DELETE', `${PATH}/${id}`, {}, 'AGENT')).status).toBe(403);
});

describe('the message to a fish', () => {
  const bia = { name: 'Bia Lima', phone: '+5511988887777' };
  const terms = (
    baseMessage: string | null,
    template: MessageTerms['message']['template'] = null,
  ) => ({ message: { baseMessage, template }, billingUnit: 'segment', channel: 'sms' }) as const;
  const textOf = (its: MessageTerms): string => {
    const composed = createComposer(its.message)(fishMessage(its, bia));
    return composed.ok ? composed.text : `lacks ${composed.missing}`;
  };

  test.each([
    ['Olá {{primeiro_nome}} ({{first_name}}), {{Telefone}}', 'Olá Bia (Bia), +5511988887777'],
    ['{{nome}}, {{CPF}}, contrato {{contrato}}', 'Bia Lima, [cpf], contrato [contrato]'],
    [
      'Deve {{ Valor da Dívida }} e {{valor da divida}}',
      'Deve [valor_da_divida] e [valor_da_divida]',
    ],
    ['Sem variáveis', 'Sem variáveis'],
    [null, 'Contato de controle: nesta campanha, cada pessoa recebe um texto só seu.'],
  ])('%j says %j', (written, said) => {
    expect(textOf(terms(written))).toBe(said);
  });

  test('fills the numbers of a template of the vendor, also those that the text leaves to it', () => {
    const template = { code: 'x', content: '{{1}}: {{2}}', variables: { 1: 'nome', 2: 'saldo' } };
    const composed = createComposer({ baseMessage: null, template })(
      fishMessage(terms(null, template), bia),
    );
    expect(composed).toMatchObject({
      text: 'Bia Lima: [saldo]',
      template: { code: 'x', parameters: ['Bia Lima', '[saldo]'] },
    });
  });

  test('costs what its own text costs', () => {
    const long = terms('{{nome}} '.repeat(30));
    expect(fishMessage(long, bia).units).toBe(2);
    expect(fishMessage(long, { ...bia, name: 'Bia' }).units).toBe(1);
  });
});

test("another company's fish does not exist", async () => {
  const { id } = (await fish('51987654321')).body;
  expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('PATCH', `${PATH}/${id}`, { body: { name: 'x' } })).status).toBe(404);
  expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
  expect((await theirs.call('GET', `${PATH}?phone=51987654321`)).body.items).toEqual([]);
});
