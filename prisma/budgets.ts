import type { BudgetFilter, BudgetInput, BudgetPatch } from '../domain/budgets.schema';
import { notFound, RegenteError } from '../domain/errors';
import { committedOf, isLess } from '../domain/money';
import { refuseInUse, unknownReference, unlessTaken } from './conflicts';
import type { Budget } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'This wallet has a budget for this month already; change that one.',
  pointer: '/month',
};

/** The figures as decimal strings with four places. */
export function figuresOf({ budget, used, reserved }: Budget) {
  return { budget: budget.toFixed(4), used: used.toFixed(4), reserved: reserved.toFixed(4) };
}

export async function listBudgets(
  tx: TenantTx,
  filter: BudgetFilter,
  { after, ...page }: PageArgs,
): Promise<Budget[]> {
  return tx.budget.findMany({ where: { ...after, ...filter }, ...page });
}

/** Throws NOT_FOUND; another company's budget is not found either. */
export async function getBudget(tx: TenantTx, id: string): Promise<Budget> {
  const budget = await tx.budget.findUnique({ where: { id } });
  if (budget === null) throw notFound('budget');
  return budget;
}

/** Throws NOT_FOUND for a wallet of nobody, CONFLICT when the wallet has a budget for the month. */
export async function createBudget(
  tx: TenantTx,
  companyId: string,
  input: BudgetInput,
): Promise<Budget> {
  if ((await tx.wallet.count({ where: { id: input.walletId } })) === 0)
    throw unknownReference('wallet');
  const budget = await unlessTaken(tx.budget.create({ data: { companyId, ...input } }), TAKEN);
  await lookAgain(tx, budget.walletId);
  return budget;
}

/**
 * Changes the limit and answers the budget before and after.
 * Throws BUDGET_EXCEEDED, with the figures, for a limit under what is used and reserved.
 */
export async function updateBudget(
  tx: TenantTx,
  id: string,
  { budget }: BudgetPatch,
): Promise<{ before: Budget; after: Budget }> {
  // The dispatch reserves under this lock, so the figures that decide here are the last ones. The table's CHECK
  // says the same once more.
  await tx.$queryRaw`SELECT id FROM budgets WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  const before = await getBudget(tx, id);
  const figures = figuresOf(before);
  if (isLess(budget, committedOf(figures))) {
    throw new RegenteError(
      'BUDGET_EXCEEDED',
      `The budget cannot be lowered under ${committedOf(figures)}, which is used or reserved.`,
      {
        fields: [{ pointer: '/budget', detail: `must be at least ${committedOf(figures)}` }],
        details: { ...figures, minimum: committedOf(figures) },
      },
    );
  }
  const after = await tx.budget.update({ where: { id }, data: { budget } });
  if (isLess(figures.budget, budget)) await lookAgain(tx, after.walletId);
  return { before, after };
}

/** Throws CONFLICT once something was charged to it, and while something is used or reserved. */
export async function deleteBudget(tx: TenantTx, id: string): Promise<void> {
  await tx.$queryRaw`SELECT id FROM budgets WHERE id = ${id}::uuid FOR UPDATE`;
  const figures = figuresOf(await getBudget(tx, id));
  refuseInUse('budget', { charges: await tx.budgetCharge.count({ where: { budgetId: id } }) });
  if (isLess('0', committedOf(figures))) {
    throw new RegenteError('CONFLICT', 'Part of this budget is used or reserved.', {
      details: figures,
    });
  }
  await tx.budget.delete({ where: { id } });
}

/** Campaigns that run may be waiting for money; paused ones are resumed by a person. */
async function lookAgain(tx: TenantTx, walletId: string): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO outbox (company_id, topic, subject_id)
    SELECT company_id, 'execution', id FROM campaign_executions
      WHERE wallet_id = ${walletId}::uuid AND state = 'PROCESSING'`;
}
