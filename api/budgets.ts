import { z } from '@hono/zod-openapi';
import { BudgetFilter, BudgetInput, BudgetPatch } from '../domain/budgets.schema';
import { remainingOf } from '../domain/money';
import {
  createBudget,
  deleteBudget,
  figuresOf,
  getBudget,
  listBudgets,
  updateBudget,
} from '../prisma/budgets';
import type { Budget as BudgetRow } from '../prisma/generated/client';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Budget = z
  .object({
    id: z.uuid(),
    walletId: z.uuid(),
    year: z.int(),
    month: z.int(),
    budget: z.string(),
    used: z.string(),
    reserved: z.string(),
    remaining: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Budget');

function show(row: BudgetRow) {
  const figures = figuresOf(row);
  return {
    id: row.id,
    walletId: row.walletId,
    year: row.year,
    month: row.month,
    ...figures,
    remaining: remainingOf(figures),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

const tags = ['Budgets'];
const one = { 200: json(Budget, 'The budget') };

const list = defineRoute('budgets:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listBudgets',
  summary: 'List budgets',
  request: { query: PageQuery.extend(BudgetFilter.shape) },
  responses: { 200: json(pageOf(Budget), 'A page of budgets') },
});
const create = defineRoute('budgets:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createBudget',
  summary: 'Create a budget',
  request: { body: jsonBody(BudgetInput) },
  responses: { 201: json(Budget, 'The new budget') },
});
const get = defineRoute('budgets:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getBudget',
  summary: 'Show a budget',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('budgets:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateBudget',
  summary: 'Change a budget',
  request: { params: IdParam, body: jsonBody(BudgetPatch) },
  responses: one,
});
const remove = defineRoute('budgets:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteBudget',
  summary: 'Delete a budget',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function budgetRoutes({ db, engine }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listBudgets(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const budget = await write(c, db, 201, async (tx, audit) => {
        const after = await createBudget(tx, companyId, c.req.valid('json'));
        await audit({ action: 'budget.create', entityType: 'budget', entityId: after.id, after });
        return show(after);
      });
      engine.nudge();
      return c.json(budget, 201);
    })
    .openapi(get, async (c) => {
      const budget = await withTenant(db, actorOf(c).companyId, (tx) =>
        getBudget(tx, c.req.valid('param').id),
      );
      return c.json(show(budget), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const budget = await write(c, db, 200, async (tx, audit) => {
        const { before, after } = await updateBudget(tx, id, c.req.valid('json'));
        await audit({ action: 'budget.update', entityType: 'budget', entityId: id, before, after });
        return show(after);
      });
      engine.nudge();
      return c.json(budget, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'budgets', id, getBudget);
        await deleteBudget(tx, id);
        await audit({ action: 'budget.delete', entityType: 'budget', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
