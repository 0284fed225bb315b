import { z } from '@hono/zod-openapi';
import {
  BlocklistFilter,
  BlocklistIds,
  BlocklistInput,
  BlocklistPatch,
} from '../../domain/blocklist.schema';
import {
  createBlocklistEntry,
  deleteBlocklistEntries,
  deleteBlocklistEntry,
  getBlocklistEntry,
  listBlocklist,
  updateBlocklistEntry,
} from '../../prisma/blocklist';
import type { BlocklistEntry as EntryRow } from '../../prisma/generated/client';
import { held } from '../../prisma/held-rows';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps } from '../context';
import { breakOff, CsvForm, csvHeaders, csvStream } from '../csv';
import { page, pageArgs, pageOf, PageQuery } from '../paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from '../routes';
import { write } from '../write';
import { allBlocklistEntries, BLOCKLIST_COLUMNS } from './export';
import { BlocklistImport, importBlocklist, wholeList } from './import';

const BlocklistEntry = z
  .object({
    id: z.uuid(),
    phone: z.string().nullable(),
    cpfCnpj: z.string().nullable(),
    reason: z.string().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('BlocklistEntry');

const show = (row: EntryRow) => ({
  id: row.id,
  phone: row.phone,
  cpfCnpj: row.cpfCnpj,
  reason: row.reason,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Blocklist'];
const one = { 200: json(BlocklistEntry, 'The entry') };

const list = defineRoute('restrictions:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listBlocklist',
  summary: 'List the blocklist',
  request: { query: PageQuery.extend(BlocklistFilter.shape) },
  responses: { 200: json(pageOf(BlocklistEntry), 'A page of entries') },
});
const create = defineRoute('restrictions:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createBlocklistEntry',
  summary: 'Block a phone or a document',
  request: { body: jsonBody(BlocklistInput) },
  responses: { 201: json(BlocklistEntry, 'The new entry') },
});
const get = defineRoute('restrictions:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getBlocklistEntry',
  summary: 'Show an entry of the blocklist',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('restrictions:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateBlocklistEntry',
  summary: 'Change an entry of the blocklist',
  request: { params: IdParam, body: jsonBody(BlocklistPatch) },
  responses: one,
});
const remove = defineRoute('restrictions:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteBlocklistEntry',
  summary: 'Delete an entry of the blocklist',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

const exportCsv = defineRoute('restrictions:read', {
  method: 'get',
  path: '/export.csv',
  tags,
  operationId: 'exportBlocklist',
  summary: 'Download the blocklist as CSV',
  request: { query: z.object({ format: CsvForm.default('csv') }) },
  responses: {
    200: { description: 'The whole list', content: { 'text/csv': { schema: z.string() } } },
  },
});
const importCsv = defineRoute('restrictions:write', {
  method: 'put',
  path: '/import',
  tags,
  operationId: 'importBlocklist',
  summary: 'Add a CSV to the blocklist',
  request: {
    body: {
      content: {
        'text/csv': { schema: z.string() },
        'application/gzip': { schema: z.string().openapi({ format: 'binary' }) },
      },
    },
  },
  responses: { 200: json(BlocklistImport, 'What became of the rows') },
});
const removeMany = defineRoute('restrictions:write', {
  method: 'post',
  path: '/delete',
  tags,
  operationId: 'deleteBlocklistEntries',
  summary: 'Delete many entries of the blocklist',
  request: { body: jsonBody(BlocklistIds) },
  responses: { 200: json(z.object({ deleted: z.int() }), 'How many were there') },
});

export function blocklistRoutes(deps: ApiDeps) {
  return blocklistFiles(deps).route('/', blocklistEntries(deps));
}

/** The list as a whole; its paths come before those with an id. */
function blocklistFiles(deps: ApiDeps) {
  const { db } = deps;
  return createRouter()
    .openapi(exportCsv, (c) => {
      const rows = allBlocklistEntries(db, actorOf(c).companyId);
      const csv = csvStream(BLOCKLIST_COLUMNS, rows, c.req.valid('query').format, breakOff(c));
      return c.body(csv, 200, csvHeaders('blocklist'));
    })
    .openapi(importCsv, async (c) => {
      const report = await importBlocklist(c, deps);
      return c.json(await write(c, db, 200, async () => report), 200);
    })
    .openapi(removeMany, async (c) => {
      const { ids } = c.req.valid('json');
      const answer = await write(c, db, 200, async (tx, audit) => {
        const before = await deleteBlocklistEntries(tx, ids);
        await audit({ action: 'blocklist.delete', ...wholeList(c), before });
        return { deleted: before.length };
      });
      return c.json(answer, 200);
    });
}

function blocklistEntries({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listBlocklist(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const entry = await write(c, db, 201, async (tx, audit) => {
        const after = await createBlocklistEntry(tx, companyId, c.req.valid('json'));
        await audit({
          action: 'blocklist_entry.create',
          entityType: 'blocklist_entry',
          entityId: after.id,
          after,
        });
        return show(after);
      });
      return c.json(entry, 201);
    })
    .openapi(get, async (c) => {
      const entry = await withTenant(db, actorOf(c).companyId, (tx) =>
        getBlocklistEntry(tx, c.req.valid('param').id),
      );
      return c.json(show(entry), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const entry = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'blocklist_entries', id, getBlocklistEntry);
        const after = await updateBlocklistEntry(tx, before, c.req.valid('json'));
        await audit({
          action: 'blocklist_entry.update',
          entityType: 'blocklist_entry',
          entityId: id,
          before,
          after,
        });
        return show(after);
      });
      return c.json(entry, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'blocklist_entries', id, getBlocklistEntry);
        await deleteBlocklistEntry(tx, id);
        await audit({
          action: 'blocklist_entry.delete',
          entityType: 'blocklist_entry',
          entityId: id,
          before,
        });
        return null;
      });
      return c.body(null, 204);
    });
}
