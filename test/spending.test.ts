import { randomUUID } from 'node:crypto';
import { withTenant } from '../prisma/tenant';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';
import { createBroker, createBudget, createWallet } from './support/money-rows';

let api: MoneyApi;
let ours: Tenant;
let northId: string;
let smsId: string;

const PATH = '/v1/reports/spending';

async function charge(budgetId: string, brokerId: string, amounts: string[], messages = 1) {
  const common = { companyId: ours.companyId, executionId: randomUUID(), budgetId, brokerId };
  await withTenant(api.db, ours.companyId, (tx) =>
    tx.budgetCharge.createMany({
      data: amounts.map((amount, batchSeq) => ({
        ...common,
        batchSeq,
        amount,
        messages,
        kind: amount.startsWith('-') ? 'refund' : 'dispatch',
      })),
    }),
  );
}

beforeAll(async () => {
  api = await startMoneyApi();
  ours = await api.tenant();
  const { db } = api;
  const { companyId } = ours;
  northId = await createWallet(db, companyId, { name: '=HYPERLINK("http://x")' });
  const southId = await createWallet(db, companyId, { name: 'Sul; "velha"' });
  smsId = await createBroker(db, companyId, { name: '@SMS' });
  const rcsId = await createBroker(db, companyId, { name: 'RCS', channel: 'rcs' });
  const month = (walletId: string, year: number, month: number) =>
    createBudget(db, companyId, { walletId, year, month });
  const october = await month(northId, 2026, 10);
  await charge(
    october,
    smsId,
    Array.from({ length: 1_000 }, () => '0.0001'),
  );
  await charge(october, rcsId, ['1.5', '-0.5'], 10);
  await charge(await month(northId, 2026, 12), smsId, ['0.2']);
  await charge(await month(southId, 2027, 1), smsId, ['-0.0003']);
});
afterAll(() => api.stop());

test('charges and refunds are added up exactly by wallet, broker and month', async () => {
  const { body } = await ours.call('GET', PATH, {}, 'AGENT');
  expect(
    body.items.map((item: Record<string, unknown>) => [
      item['month'],
      item['walletName'],
      item['brokerName'],
      item['messages'],
      item['amount'],
    ]),
  ).toEqual([
    ['2026-10', '=HYPERLINK("http://x")', '@SMS', 1_000, '0.1000'],
    ['2026-10', '=HYPERLINK("http://x")', 'RCS', 20, '1.0000'],
    ['2026-12', '=HYPERLINK("http://x")', '@SMS', 1, '0.2000'],
    ['2027-01', 'Sul; "velha"', '@SMS', 1, '-0.0003'],
  ]);
  expect(body.totals).toEqual({ messages: 1_022, amount: '1.2997' });
});

test('it is narrowed to months over a new year, a wallet and a broker', async () => {
  const total = async (filter: string) =>
    (await ours.call('GET', `${PATH}?${filter}`)).body.totals.amount;
  expect(await total('fromMonth=2026-12&toMonth=2027-01')).toBe('0.1997');
  expect(await total('toMonth=2026-10')).toBe('1.1000');
  expect(await total(`walletId=${northId}&brokerId=${smsId}`)).toBe('0.3000');
  const wrong = await ours.call('GET', `${PATH}?fromMonth=2026-13&walletId=x`);
  expect(wrong.status).toBe(400);
  expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
    '/query/fromMonth',
    '/query/walletId',
  ]);
});

test('as CSV no name is a formula, and refunds stay numbers', async () => {
  const { headers, body } = await ours.call('GET', `${PATH}?format=csv`);
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
  expect(body.split('\r\n')).toEqual([
    'mes,carteira,fornecedor,mensagens,valor',
    `2026-10,"'=HYPERLINK(""http://x"")",'@SMS,1000,0.1000`,
    `2026-10,"'=HYPERLINK(""http://x"")",RCS,20,1.0000`,
    `2026-12,"'=HYPERLINK(""http://x"")",'@SMS,1,0.2000`,
    `2027-01,"Sul; ""velha""",'@SMS,1,-0.0003`,
    '',
  ]);
});

test('as a Brazilian spreadsheet wants it: BOM, semicolons, decimal commas', async () => {
  const response = await ours.call('GET', `${PATH}?format=excel-br&fromMonth=2027-01`);
  expect(response.body).toBe(
    `\ufeffmes;carteira;fornecedor;mensagens;valor\r\n2027-01;"Sul; ""velha""";'@SMS;1;-0,0003\r\n`,
  );
});

test('another company has spent nothing', async () => {
  const theirs = await api.tenant();
  expect((await theirs.call('GET', `${PATH}?walletId=${northId}`)).body).toEqual({
    items: [],
    totals: { messages: 0, amount: '0.0000' },
  });
});
