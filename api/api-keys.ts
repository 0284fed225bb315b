import { z } from '@hono/zod-openapi';
import { ApiKeyFilter, ApiKeyInput } from '../domain/api-keys.schema';
import { RegenteError } from '../domain/errors';
import { KEY_SCOPES, PERMISSIONS, ROLE_PERMISSIONS, type Permission } from '../domain/permissions';
import { createApiKey, getApiKey, listApiKeys, revokeApiKey } from '../prisma/api-keys';
import type { ApiKey as ApiKeyRow } from '../prisma/generated/client';
import { withTenant, type TenantTx } from '../prisma/tenant';
import { lockUser } from '../prisma/users';
import { refuseWithout } from './auth';
import { actorOf, userOf, type ApiDeps, type UserActor } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const ApiKey = z
  .object({
    id: z.uuid(),
    name: z.string(),
    prefix: z.string().describe('How the key begins.'),
    scopes: z.array(z.enum(PERMISSIONS)),
    createdBy: z.uuid().nullable(),
    expiresAt: z.iso.datetime().nullable(),
    lastUsedAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
  })
  .openapi('ApiKey');

/** Shown once: an answer that an Idempotency-Key repeats has null. */
const NewApiKey = ApiKey.extend({ key: z.string().nullable() }).openapi('NewApiKey');

const show = (row: ApiKeyRow) => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes as Permission[],
  createdBy: row.createdBy,
  expiresAt: row.expiresAt?.toISOString() ?? null,
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  revokedAt: row.revokedAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
});

const tags = ['API keys'];

const list = defineRoute('keys:manage', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listApiKeys',
  summary: 'List API keys',
  request: { query: PageQuery.extend(ApiKeyFilter.shape) },
  responses: { 200: json(pageOf(ApiKey), 'A page of API keys') },
});
const create = defineRoute('keys:manage', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createApiKey',
  summary: 'Create an API key',
  request: { body: jsonBody(ApiKeyInput) },
  responses: { 201: json(NewApiKey, 'The new key, which is shown only now') },
});
const get = defineRoute('keys:manage', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getApiKey',
  summary: 'Show an API key',
  request: { params: IdParam },
  responses: { 200: json(ApiKey, 'The API key') },
});
const revoke = defineRoute('keys:manage', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'revokeApiKey',
  summary: 'Revoke an API key',
  request: { params: IdParam },
  responses: { 204: { description: 'Revoked' } },
});

export function apiKeyRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, createdBy, ...filter } = c.req.valid('query');
      const actor = actorOf(c);
      const maker = createdBy === 'me' ? actor.id : createdBy;
      const rows = await withTenant(db, actor.companyId, (tx) =>
        listApiKeys(tx, { ...filter, createdBy: maker }, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const actor = makerOf(userOf(c));
      const { name, scopes, expiresAt } = c.req.valid('json');
      const expiry = readExpiry(expiresAt);
      const made = await write(
        c,
        db,
        201,
        async (tx, audit) => {
          refuseForeignScopes(scopes, await permissionsNow(tx, actor));
          const owner = { companyId: actor.companyId, createdBy: actor.id };
          const { key, row } = await createApiKey(tx, {
            ...owner,
            name,
            scopes,
            expiresAt: expiry,
          });
          const line = { action: 'api_key.create', entityType: 'api_key', entityId: row.id };
          await audit({ ...line, after: row });
          return { ...show(row), key };
        },
        { remember: (body) => ({ ...body, key: null }) },
      );
      return c.json(made, 201);
    })
    .openapi(get, async (c) => {
      const row = await withTenant(db, actorOf(c).companyId, (tx) =>
        getApiKey(tx, c.req.valid('param').id),
      );
      return c.json(show(row), 200);
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await getApiKey(tx, id);
        const after = await revokeApiKey(tx, id);
        const line = { action: 'api_key.revoke', entityType: 'api_key', entityId: id };
        await audit({ ...line, before, after });
        return null;
      });
      return c.body(null, 204);
    });
}

/** A key ends with the person who made it, so that person belongs to the company. */
function makerOf(actor: UserActor): UserActor {
  if (actor.companyId === actor.homeCompanyId) return actor;
  throw new RegenteError(
    'FORBIDDEN',
    'A key belongs to a person of the company; let one of its directors make it.',
  );
}

/**
 * What the maker may do, which stays so until the transaction ends: a demotion at this moment is waited for, or finds
 * the new key among theirs. Throws FORBIDDEN for whoever may make no keys any more.
 */
async function permissionsNow(tx: TenantTx, { id }: UserActor): Promise<readonly Permission[]> {
  const { role, status } = await lockUser(tx, id);
  const permissions = status === 'ACTIVE' ? ROLE_PERMISSIONS[role] : [];
  refuseWithout({ permissions }, 'keys:manage');
  return permissions;
}

function refuseForeignScopes(
  scopes: readonly Permission[],
  permissions: readonly Permission[],
): void {
  const fields = scopes.flatMap((scope, index) =>
    permissions.includes(scope) && KEY_SCOPES.includes(scope)
      ? []
      : [{ pointer: `/scopes/${index}`, detail: 'is not a permission that you can give away' }],
  );
  if (fields.length > 0) {
    throw new RegenteError('VALIDATION', 'A key can do no more than the person who makes it.', {
      fields,
    });
  }
}

function readExpiry(expiry: Date | undefined): Date | null {
  if (expiry === undefined) return null;
  if (expiry.getTime() > Date.now()) return expiry;
  throw new RegenteError('VALIDATION', 'The key would have expired already.', {
    fields: [{ pointer: '/expiresAt', detail: 'must lie in the future' }],
  });
}
