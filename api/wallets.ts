import { z } from '@hono/zod-openapi';
import { WalletFilter, WalletInput, WalletPatch } from '../domain/wallets.schema';
import type { Wallet as WalletRow } from '../prisma/generated/client';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import {
  createWallet,
  deleteWallet,
  getWallet,
  listWallets,
  updateWallet,
} from '../prisma/wallets';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Wallet = z
  .object({
    id: z.uuid(),
    name: z.string(),
    idgisAmbiente: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Wallet');

const show = (row: WalletRow) => ({
  id: row.id,
  name: row.name,
  idgisAmbiente: row.idgisAmbiente,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Wallets'];
const one = { 200: json(Wallet, 'The wallet') };

const list = defineRoute('wallets:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listWallets',
  summary: 'List wallets',
  request: { query: PageQuery.extend(WalletFilter.shape) },
  responses: { 200: json(pageOf(Wallet), 'A page of wallets') },
});
const create = defineRoute('wallets:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createWallet',
  summary: 'Create a wallet',
  request: { body: jsonBody(WalletInput) },
  responses: { 201: json(Wallet, 'The new wallet') },
});
const get = defineRoute('wallets:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getWallet',
  summary: 'Show a wallet',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('wallets:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateWallet',
  summary: 'Change a wallet',
  request: { params: IdParam, body: jsonBody(WalletPatch) },
  responses: one,
});
const remove = defineRoute('wallets:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteWallet',
  summary: 'Delete a wallet',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function walletRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listWallets(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const wallet = await write(c, db, 201, async (tx, audit) => {
        const after = await createWallet(tx, companyId, c.req.valid('json'));
        await audit({ action: 'wallet.create', entityType: 'wallet', entityId: after.id, after });
        return show(after);
      });
      return c.json(wallet, 201);
    })
    .openapi(get, async (c) => {
      const wallet = await withTenant(db, actorOf(c).companyId, (tx) =>
        getWallet(tx, c.req.valid('param').id),
      );
      return c.json(show(wallet), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const wallet = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'wallets', id, getWallet);
        const after = await updateWallet(tx, id, c.req.valid('json'));
        await audit({ action: 'wallet.update', entityType: 'wallet', entityId: id, before, after });
        return show(after);
      });
      return c.json(wallet, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'wallets', id, getWallet);
        await deleteWallet(tx, id);
        await audit({ action: 'wallet.delete', entityType: 'wallet', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
