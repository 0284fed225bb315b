import { z } from '@hono/zod-openapi';
import { BILLING_UNITS, checkBroker, type BillingUnit } from '../domain/brokers';
import { BrokerFilter, BrokerInput, BrokerPatch } from '../domain/brokers.schema';
import { CHANNELS, type Channel } from '../domain/channels';
import {
  createBroker,
  deleteBroker,
  getBroker,
  listBrokers,
  updateBroker,
} from '../prisma/brokers';
import type { Broker as BrokerRow } from '../prisma/generated/client';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { vendorFor } from '../providers/messaging';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Broker = z
  .object({
    id: z.uuid(),
    name: z.string(),
    provider: z.string(),
    channel: z.enum(CHANNELS),
    costPerMessage: z.string(),
    billingUnit: z.enum(BILLING_UNITS),
    ratePerSecond: z.number().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Broker');

const show = (row: BrokerRow) => ({
  id: row.id,
  name: row.name,
  provider: row.provider,
  channel: row.channel as Channel,
  costPerMessage: row.costPerMessage.toFixed(4),
  billingUnit: row.billingUnit as BillingUnit,
  ratePerSecond: row.ratePerSecond?.toNumber() ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Brokers'];
const one = { 200: json(Broker, 'The broker') };

const list = defineRoute('wallets:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listBrokers',
  summary: 'List brokers',
  request: { query: PageQuery.extend(BrokerFilter.shape) },
  responses: { 200: json(pageOf(Broker), 'A page of brokers') },
});
const create = defineRoute('wallets:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createBroker',
  summary: 'Create a broker',
  request: { body: jsonBody(BrokerInput) },
  responses: { 201: json(Broker, 'The new broker') },
});
const get = defineRoute('wallets:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getBroker',
  summary: 'Show a broker',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('wallets:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateBroker',
  summary: 'Change a broker',
  request: { params: IdParam, body: jsonBody(BrokerPatch) },
  responses: one,
});
const remove = defineRoute('wallets:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteBroker',
  summary: 'Delete a broker',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function brokerRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listBrokers(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const broker = await write(c, db, 201, async (tx, audit) => {
        const input = c.req.valid('json');
        checkBroker(input, vendorFor(input.provider).channels);
        const after = await createBroker(tx, companyId, input);
        await audit({ action: 'broker.create', entityType: 'broker', entityId: after.id, after });
        return show(after);
      });
      return c.json(broker, 201);
    })
    .openapi(get, async (c) => {
      const broker = await withTenant(db, actorOf(c).companyId, (tx) =>
        getBroker(tx, c.req.valid('param').id),
      );
      return c.json(show(broker), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const broker = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'brokers', id, getBroker);
        const after = await updateBroker(tx, id, c.req.valid('json'));
        checkBroker(show(after), vendorFor(after.provider).channels);
        await audit({ action: 'broker.update', entityType: 'broker', entityId: id, before, after });
        return show(after);
      });
      return c.json(broker, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'brokers', id, getBroker);
        await deleteBroker(tx, id);
        await audit({ action: 'broker.delete', entityType: 'broker', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
