import type { SpendingFilter } from '../domain/spending.schema';
import { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

/** What one wallet spent through one broker in one month; `amount` is a decimal string with four places. */
export interface Spending {
  walletId: string;
  walletName: string;
  brokerId: string;
  brokerName: string;
  month: string;
  amount: string;
  messages: number;
}

/** Refunds count against the month of the charge that they give back. */
export async function spendingReport(tx: TenantTx, filter: SpendingFilter): Promise<Spending[]> {
  const { fromMonth = '2000-01', toMonth = '2999-12', walletId, brokerId } = filter;
  const rows = await tx.$queryRaw<(Omit<Spending, 'amount'> & { amount: Prisma.Decimal })[]>`
    SELECT w.id AS "walletId", w.name AS "walletName", b.id AS "brokerId", b.name AS "brokerName",
      format('%s-%s', g.year, lpad(g.month::text, 2, '0')) AS month,
      sum(c.amount) AS amount, sum(c.messages)::float8 AS messages
    FROM budget_charges c
      JOIN budgets g ON g.company_id = c.company_id AND g.id = c.budget_id
      JOIN wallets w ON w.company_id = g.company_id AND w.id = g.wallet_id
      JOIN brokers b ON b.company_id = c.company_id AND b.id = c.broker_id
    WHERE g.year * 12 + g.month BETWEEN ${monthNumber(fromMonth)}::int AND ${monthNumber(toMonth)}::int
      ${walletId === undefined ? Prisma.empty : Prisma.sql`AND g.wallet_id = ${walletId}::uuid`}
      ${brokerId === undefined ? Prisma.empty : Prisma.sql`AND c.broker_id = ${brokerId}::uuid`}
    GROUP BY w.id, b.id, g.year, g.month
    ORDER BY g.year, g.month, w.name, w.id, b.name, b.id`;
  return rows.map((row) => ({ ...row, amount: row.amount.toFixed(4) }));
}

/** @param month as 2026-01 */
function monthNumber(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5));
}
