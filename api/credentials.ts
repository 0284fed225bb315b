import { z } from '@hono/zod-openapi';
import { CredentialFilter, CredentialInput, CredentialPatch } from '../domain/credentials.schema';
import { RegenteError } from '../domain/errors';
import {
  createCredential,
  deleteCredential,
  getCredential,
  listCredentials,
  lockProviderOf,
  updateCredential,
  type ShownCredential,
} from '../prisma/credentials';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { vendorFor } from '../providers/messaging';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Credential = z
  .object({
    id: z.uuid(),
    walletId: z.uuid(),
    brokerId: z.uuid(),
    provider: z.string(),
    active: z.boolean(),
    configKeys: z.array(z.string()),
    version: z.int(),
    webhookUrl: z.url(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Credential');

/** Names of the config's fields, never their values. */
const shower = (publicUrl: string) => (row: ShownCredential) => ({
  id: row.id,
  walletId: row.walletId,
  brokerId: row.brokerId,
  provider: row.broker.provider,
  active: row.active,
  configKeys: row.configKeys,
  version: row.version,
  webhookUrl: `${publicUrl.replace(/\/+$/, '')}/v1/webhooks/${row.broker.provider}/${row.webhookToken}`,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

/** Throws VALIDATION with pointers into the body for what the vendor does not accept. */
function checkConfig(provider: string, config: Record<string, unknown>): void {
  try {
    vendorFor(provider).parseConfig(config);
  } catch (error) {
    if (!(error instanceof RegenteError)) throw error;
    const fields = error.fields.map(({ pointer, detail }) => ({
      pointer: `/config${pointer}`,
      detail,
    }));
    throw new RegenteError(error.code, error.message, { fields });
  }
}

const tags = ['Credentials'];
const one = { 200: json(Credential, 'The credential, without its values') };

const list = defineRoute('credentials:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listCredentials',
  summary: 'List credentials',
  request: { query: PageQuery.extend(CredentialFilter.shape) },
  responses: { 200: json(pageOf(Credential), 'A page of credentials') },
});
const create = defineRoute('credentials:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createCredential',
  summary: 'Create a credential',
  request: { body: jsonBody(CredentialInput) },
  responses: { 201: json(Credential, 'The new credential, without its values') },
});
const get = defineRoute('credentials:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getCredential',
  summary: 'Show a credential',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('credentials:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateCredential',
  summary: 'Change a credential',
  request: { params: IdParam, body: jsonBody(CredentialPatch) },
  responses: one,
});
const remove = defineRoute('credentials:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteCredential',
  summary: 'Delete a credential',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function credentialRoutes({ config, db, encryption }: ApiDeps) {
  const show = shower(config.PUBLIC_URL);
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listCredentials(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const credential = await write(c, db, 201, async (tx, audit) => {
        const input = c.req.valid('json');
        checkConfig(await lockProviderOf(tx, input.brokerId), input.config);
        const after = await createCredential(tx, companyId, encryption, input);
        await audit({
          action: 'credential.create',
          entityType: 'credential',
          entityId: after.id,
          after,
        });
        return show(after);
      });
      return c.json(credential, 201);
    })
    .openapi(get, async (c) => {
      const credential = await withTenant(db, actorOf(c).companyId, (tx) =>
        getCredential(tx, c.req.valid('param').id),
      );
      return c.json(show(credential), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const credential = await write(c, db, 200, async (tx, audit) => {
        const before = await held(tx, 'credentials', id, getCredential);
        const input = c.req.valid('json');
        if (input.config !== undefined) checkConfig(before.broker.provider, input.config);
        const after = await updateCredential(tx, before, encryption, input);
        await audit({
          action: 'credential.update',
          entityType: 'credential',
          entityId: id,
          before,
          after,
        });
        return show(after);
      });
      return c.json(credential, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'credentials', id, getCredential);
        await deleteCredential(tx, id);
        await audit({
          action: 'credential.delete',
          entityType: 'credential',
          entityId: id,
          before,
        });
        return null;
      });
      return c.body(null, 204);
    });
}
