import { z } from '@hono/zod-openapi';
import { SquadFilter, SquadInput, SquadPatch } from '../domain/squads.schema';
import type { Squad as SquadRow } from '../prisma/generated/client';
import { createSquad, deleteSquad, getSquad, listSquads, updateSquad } from '../prisma/squads';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Squad = z
  .object({
    id: z.uuid(),
    name: z.string(),
    type: z.string(),
    targetMonthly: z.string().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Squad');

const show = (row: SquadRow) => ({
  id: row.id,
  name: row.name,
  type: row.type,
  targetMonthly: row.targetMonthly?.toFixed(2) ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Squads'];
const one = { 200: json(Squad, 'The squad') };

const list = defineRoute('squads:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listSquads',
  summary: 'List squads',
  request: { query: PageQuery.extend(SquadFilter.shape) },
  responses: { 200: json(pageOf(Squad), 'A page of squads') },
});
const create = defineRoute('squads:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createSquad',
  summary: 'Create a squad',
  request: { body: jsonBody(SquadInput) },
  responses: { 201: json(Squad, 'The new squad') },
});
const get = defineRoute('squads:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getSquad',
  summary: 'Show a squad',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('squads:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateSquad',
  summary: 'Change a squad',
  request: { params: IdParam, body: jsonBody(SquadPatch) },
  responses: one,
});
const remove = defineRoute('squads:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteSquad',
  summary: 'Delete a squad',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function squadRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listSquads(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const squad = await write(c, db, 201, async (tx, audit) => {
        const after = await createSquad(tx, companyId, c.req.valid('json'));
        await audit({ action: 'squad.create', entityType: 'squad', entityId: after.id, after });
        return show(after);
      });
      return c.json(squad, 201);
    })
    .openapi(get, async (c) => {
      const squad = await withTenant(db, actorOf(c).companyId, (tx) =>
        getSquad(tx, c.req.valid('param').id),
      );
      return c.json(show(squad), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const squad = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'squads', id, getSquad);
        const after = await updateSquad(tx, id, c.req.valid('json'));
        await audit({ action: 'squad.update', entityType: 'squad', entityId: id, before, after });
        return show(after);
      });
      return c.json(squad, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'squads', id, getSquad);
        await deleteSquad(tx, id);
        await audit({ action: 'squad.delete', entityType: 'squad', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
