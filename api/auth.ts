import { createMiddleware } from 'hono/factory';
import { RegenteError } from '../domain/errors';
import { KEY_SCOPES, ROLE_PERMISSIONS, type Permission } from '../domain/permissions';
import type { Database } from '../prisma/client';
import { lookupApiKey, lookupCompany, lookupSession } from '../prisma/sessions';
import { API_KEY_PREFIX, hashToken, SESSION_PREFIX } from '../prisma/tokens';
import { actorOf, userOf, type Actor, type ApiDeps, type AppContext, type AppEnv } from './context';
import { addressBlock } from './login-limits';
import { createRequestLimiter } from './rate-limit';

/**
 * Finds out who asks and counts the request against their limit. A wrong token is refused here; no token at all is
 * left to the route. Requests of nobody in particular are counted by address, and only after the look at the token:
 * whoever has a good one is not shut out by the guesses of somebody behind the same address.
 */
export function authenticate({ db, config }: ApiDeps) {
  const limiter = createRequestLimiter(config.API_REQUESTS_PER_MINUTE);
  return createMiddleware<AppEnv>(async (c, next) => {
    const header = c.req.header('authorization');
    const owner = header === undefined ? undefined : await resolveActor(db, header);
    limiter.take(c, owner?.id ?? `address:${addressBlock(c.get('ipAddress'))}`);
    if (header !== undefined && owner === undefined) throw unknownToken();
    c.set('actor', owner === undefined ? undefined : await inCompanyOf(db, c, owner));
    await next();
  });
}

/**
 * Who asks, looked up anew: for answers that go on for minutes, in which the token may be revoked or the role change.
 * Throws UNAUTHENTICATED, or FORBIDDEN without the permission.
 */
export async function actorNow(
  db: Database,
  c: AppContext,
  permission: Permission,
): Promise<Actor> {
  const owner = await resolveActor(db, c.req.header('authorization') ?? '');
  if (owner === undefined) throw unknownToken();
  const actor = await inCompanyOf(db, c, owner);
  refuseWithout(actor, permission);
  return actor;
}

const unknownToken = (): RegenteError =>
  new RegenteError(
    'UNAUTHENTICATED',
    'The bearer token is not known, has expired or was revoked; log in again, or use another API key.',
  );

async function inCompanyOf(db: Database, c: AppContext, owner: Actor): Promise<Actor> {
  const company = c.req.header('x-company');
  return company === undefined ? owner : actingIn(db, owner, company);
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
    throw new RegenteError(
      'FORBIDDEN',
      'Only an ADMIN names a company with X-Company; leave the header out.',
    );
  const companyId = await lookupCompany(db, slugOrId);
  if (companyId === undefined) {
    throw new RegenteError(
      'VALIDATION',
      'The header X-Company names no company; give its slug or its id.',
      {
        fields: [{ pointer: '/header/x-company', detail: 'is not a known slug or id' }],
      },
    );
  }
  return { ...actor, companyId };
}

/** Refuses whoever lacks the permission; every route asks for exactly one. */
export function requirePermission(permission: Permission) {
  return createMiddleware<AppEnv>(async (c, next) => {
    refuseWithout(actorOf(c), permission);
    await next();
  });
}

/** Throws FORBIDDEN for whoever lacks the permission. */
export function refuseWithout(
  { permissions }: Pick<Actor, 'permissions'>,
  permission: Permission,
): void {
  if (permissions.includes(permission)) return;
  throw new RegenteError(
    'FORBIDDEN',
    `This needs the permission ${permission}, which your role or API key does not have.`,
    {
      details: { permission },
    },
  );
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
