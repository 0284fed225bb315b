import { z } from '@hono/zod-openapi';
import { CHANNELS, type Channel } from '../domain/channels';
import { OptOutFilter, OptOutInput } from '../domain/opt-outs.schema';
import type { OptOut as OptOutRow } from '../prisma/generated/client';
import { createOptOut, deleteOptOut, getOptOut, listOptOuts } from '../prisma/opt-outs';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const OptOut = z
  .object({
    id: z.uuid(),
    channel: z.enum(CHANNELS),
    address: z.string(),
    reason: z.string().nullable(),
    createdAt: z.iso.datetime(),
  })
  .openapi('OptOut');

const show = (row: OptOutRow) => ({
  id: row.id,
  channel: row.channel as Channel,
  address: row.address,
  reason: row.reason,
  createdAt: row.createdAt.toISOString(),
});

const tags = ['Opt-outs'];
const one = { 200: json(OptOut, 'The opt-out') };

const list = defineRoute('restrictions:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listOptOuts',
  summary: 'List opt-outs',
  request: { query: PageQuery.extend(OptOutFilter.shape) },
  responses: { 200: json(pageOf(OptOut), 'A page of opt-outs') },
});
const create = defineRoute('restrictions:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createOptOut',
  summary: 'Record an opt-out',
  request: { body: jsonBody(OptOutInput) },
  responses: { 201: json(OptOut, 'The new opt-out') },
});
const get = defineRoute('restrictions:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getOptOut',
  summary: 'Show an opt-out',
  request: { params: IdParam },
  responses: one,
});
const remove = defineRoute('restrictions:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteOptOut',
  summary: 'Delete an opt-out',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function optOutRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listOptOuts(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const optOut = await write(c, db, 201, async (tx, audit) => {
        const after = await createOptOut(tx, companyId, c.req.valid('json'));
        await audit({ action: 'opt_out.create', entityType: 'opt_out', entityId: after.id, after });
        return show(after);
      });
      return c.json(optOut, 201);
    })
    .openapi(get, async (c) => {
      const optOut = await withTenant(db, actorOf(c).companyId, (tx) =>
        getOptOut(tx, c.req.valid('param').id),
      );
      return c.json(show(optOut), 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await getOptOut(tx, id);
        await deleteOptOut(tx, id);
        await audit({ action: 'opt_out.delete', entityType: 'opt_out', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
