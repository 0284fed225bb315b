import { createMiddleware } from 'hono/factory';
import { RegenteError } from '../domain/errors';
import { KEY_SCOPES, ROLE_PERMISSIONS, type Permission } from '../domain/permissions';
import type { Database } from '../prisma/client';
import { lookupApiKey, lookupCompany, lookupSession } from '../prisma/sessions';
import { API_KEY_PREFIX, hashToken, SESSION_PREFIX } from '../prisma/tokens';
import { actorOf, userOf, type Actor, type ApiDeps, type AppEnv } from './context';
import { createRequestLimiter } from './rate-limit';

/**
 * Finds out who asks and counts the request against their limit. A wrong token is refused here; no token at all is
 * left to the route. Requests of nobody in particular are counted by address.
 */
export function authenticate({ db, config }: ApiDeps) {
  const limiter = createRequestLimiter(config.API_REQUESTS_PER_MINUTE);
  return createMiddleware<AppEnv>(async (c, next) => {
    const header = c.req.header('authorization');
    const owner = header === undefined ? undefined : await resolveActor(db, header);
    limiter.take(c, owner?.id ?? `address:${c.get('ipAddress')}`);
    if (header !== undefined && owner === undefined) {
      throw new RegenteError(
        'UNAUTHENTICATED',
        'The bearer token is not known, has expired or was revoked.',
      );
    }
    const company = c.req.header('x-company');
    c.set(
      'actor',
      owner === undefined || company === undefined ? owner : await actingIn(db, owner, company),
    );
    await next();
  });
}

async function resolveActor(db: Database, header: string): Promise<Actor | undefined> {
  const token = /^Bearer ([\w-]{16,128})$/i.exec(header)?.[1];
  if (token?.startsWith(API_KEY_PREFIX) === true) {
    const key = await lookupApiKey(db, hashToken(token));
    if (key === undefined) return undefined;
    const permissions = KEY_SCOPES.filter((permission) => key.scopes.includes(permission));
    return { type: 'key', id: key.keyId, companyId: key.companyId, permissions };
  }
  if (token?.startsWith(SESSION_PREFIX) === true) {
    const session = await lookupSession(db, hashToken(token));
    if (session === undefined) return undefined;
    const { userId: id, sessionId, companyId, role } = session;
    return {
      type: 'user',
      id,
      sessionId,
      companyId,
      homeCompanyId: companyId,
      role,
      permissions: ROLE_PERMISSIONS[role],
    };
  }
  return undefined;
}

/** X-Company is refused rather than ignored, lest somebody believes that they work in another company than they do. */
async function actingIn(db: Database, actor: Actor, slugOrId: string): Promise<Actor> {
  if (actor.type === 'key' || actor.role !== 'ADMIN')
    throw new RegenteError('FORBIDDEN', 'Only an ADMIN names a company with X-Company.');
  const companyId = await lookupCompany(db, slugOrId);
  if (companyId === undefined) {
    throw new RegenteError('VALIDATION', 'The header X-Company names no company.', {
      fields: [{ pointer: 'X-Company', detail: 'not a known slug or id' }],
    });
  }
  return { ...actor, companyId };
}

/** Refuses whoever lacks the permission; every route asks for exactly one. */
export function requirePermission(permission: Permission) {
  return createMiddleware<AppEnv>(async (c, next) => {
    if (!actorOf(c).permissions.includes(permission)) {
      throw new RegenteError('FORBIDDEN', `This needs the permission ${permission}.`, {
        details: { permission },
      });
    }
    await next();
  });
}

/** Refuses whoever sent no token. */
export function loggedIn() {
  return createMiddleware<AppEnv>(async (c, next) => {
    actorOf(c);
    await next();
  });
}

/** A person about their own account: in their own company, whatever X-Company says. */
export function self() {
  return createMiddleware<AppEnv>(async (c, next) => {
    const user = userOf(c);
    c.set('actor', { ...user, companyId: user.homeCompanyId });
    await next();
  });
}
