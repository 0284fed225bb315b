import { z } from '@hono/zod-openapi';
import { FishFilter, FishInput, FishPatch } from '../domain/fish.schema';
import type { FishContact } from '../prisma/generated/client';
import { createFish, deleteFish, getFish, listFish, updateFish } from '../prisma/fish';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Fish = z
  .object({
    id: z.uuid(),
    name: z.string(),
    phone: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Fish');

const show = (row: FishContact) => ({
  id: row.id,
  name: row.name,
  phone: row.phone,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Fish'];
const one = { 200: json(Fish, 'The fish') };

const list = defineRoute('restrictions:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listFish',
  summary: 'List fish',
  request: { query: PageQuery.extend(FishFilter.shape) },
  responses: { 200: json(pageOf(Fish), 'A page of fish') },
});
const create = defineRoute('restrictions:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createFish',
  summary: 'Create a fish',
  request: { body: jsonBody(FishInput) },
  responses: { 201: json(Fish, 'The new fish') },
});
const get = defineRoute('restrictions:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getFish',
  summary: 'Show a fish',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('restrictions:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateFish',
  summary: 'Change a fish',
  request: { params: IdParam, body: jsonBody(FishPatch) },
  responses: one,
});
const remove = defineRoute('restrictions:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteFish',
  summary: 'Delete a fish',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function fishRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listFish(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const fish = await write(c, db, 201, async (tx, audit) => {
        const after = await createFish(tx, companyId, c.req.valid('json'));
        await audit({ action: 'fish.create', entityType: 'fish', entityId: after.id, after });
        return show(after);
      });
      return c.json(fish, 201);
    })
    .openapi(get, async (c) => {
      const fish = await withTenant(db, actorOf(c).companyId, (tx) =>
        getFish(tx, c.req.valid('param').id),
      );
      return c.json(show(fish), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const fish = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'fish_contacts', id, getFish);
        const after = await updateFish(tx, id, c.req.valid('json'));
        await audit({ action: 'fish.update', entityType: 'fish', entityId: id, before, after });
        return show(after);
      });
      return c.json(fish, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'fish_contacts', id, getFish);
        await deleteFish(tx, id);
        await audit({ action: 'fish.delete', entityType: 'fish', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
