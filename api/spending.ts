import { z } from '@hono/zod-openapi';
import { sumAmounts } from '../domain/money';
import { SpendingFilter } from '../domain/spending.schema';
import { spendingReport, type Spending as Row } from '../prisma/spending';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { breakOff, CsvForm, csvHeaders, csvStream, type CsvColumn } from './csv';
import { createRouter, defineRoute } from './routes';

const Spending = z
  .object({
    items: z.array(
      z.object({
        month: z.string(),
        walletId: z.uuid(),
        walletName: z.string(),
        brokerId: z.uuid(),
        brokerName: z.string(),
        messages: z.int(),
        amount: z.string(),
      }),
    ),
    totals: z.object({ messages: z.int(), amount: z.string() }),
  })
  .openapi('Spending');

const COLUMNS: readonly CsvColumn<Row>[] = [
  { header: 'mes', cell: (row) => row.month },
  { header: 'carteira', cell: (row) => row.walletName },
  { header: 'fornecedor', cell: (row) => row.brokerName },
  { header: 'mensagens', cell: (row) => row.messages },
  { header: 'valor', cell: (row) => ({ decimal: row.amount }) },
];

const report = defineRoute('budgets:read', {
  method: 'get',
  path: '/spending',
  tags: ['Budgets'],
  operationId: 'reportSpending',
  summary: 'Report what was spent per wallet, broker and month',
  request: {
    query: SpendingFilter.extend({ format: z.enum(['json', ...CsvForm.options]).default('json') }),
  },
  responses: {
    200: {
      description: 'What was spent per wallet, broker and month',
      content: {
        'application/json': { schema: Spending },
        'text/csv': { schema: z.string() },
      },
    },
  },
});

export function spendingRoutes({ db }: ApiDeps) {
  return createRouter().openapi(report, async (c) => {
    const { format, ...filter } = c.req.valid('query');
    const items = await withTenant(db, actorOf(c).companyId, (tx) => spendingReport(tx, filter));
    if (format !== 'json')
      return c.body(csvStream(COLUMNS, items, format, breakOff(c)), 200, csvHeaders('gastos'));
    const totals = {
      messages: items.reduce((sum, { messages }) => sum + messages, 0),
      amount: sumAmounts(items.map(({ amount }) => amount)),
    };
    return c.json({ items, totals }, 200);
  });
}
