import { createHash } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import { RegenteError } from '../domain/errors';
import { PERMISSIONS, ROLE_PERMISSIONS, type Permission } from '../domain/permissions';
import { lookupApiKey, lookupCompany, lookupSession } from '../prisma/sessions';
import { actorOf, type Actor, type ApiDeps, type AppEnv } from './context';

/** API keys carry this prefix, session tokens the other, so that a leak is found by its look. */
export const API_KEY_PREFIX = 'rgt_';
export const SESSION_PREFIX = 'rgs_';

/** Tokens are 256 random bits, so a plain hash is enough to keep them unreadable in the database. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Finds out who asks. A wrong token is refused here; no token at all is left to the route. */
export function authenticate(deps: ApiDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const header = c.req.header('authorization');
    if (header !== undefined)
      c.set('actor', await resolveActor(deps, header, c.req.header('x-company')));
    await next();
  });
}

async function resolveActor(
  { db }: ApiDeps,
  header: string,
  company: string | undefined,
): Promise<Actor> {
  const token = /^Bearer ([\w-]{16,128})$/i.exec(header)?.[1];
  if (token?.startsWith(API_KEY_PREFIX) === true) {
    const key = await lookupApiKey(db, hashToken(token));
    if (key !== undefined) {
      const permissions = PERMISSIONS.filter((permission) => key.scopes.includes(permission));
      return { type: 'key', id: key.keyId, companyId: key.companyId, permissions };
    }
  } else if (token?.startsWith(SESSION_PREFIX) === true) {
    const session = await lookupSession(db, hashToken(token));
    if (session !== undefined) {
      const { userId: id, sessionId, role } = session;
      const companyId =
        role === 'ADMIN' && company !== undefined
          ? await namedCompany(db, company)
          : session.companyId;
      return { type: 'user', id, sessionId, companyId, role, permissions: ROLE_PERMISSIONS[role] };
    }
  }
  throw new RegenteError(
    'UNAUTHENTICATED',
    'The bearer token is not known, has expired or was revoked.',
  );
}

async function namedCompany(db: ApiDeps['db'], slugOrId: string): Promise<string> {
  const id = await lookupCompany(db, slugOrId);
  if (id === undefined) {
    throw new RegenteError('VALIDATION', 'The header X-Company names no company.', {
      fields: [{ pointer: 'X-Company', detail: 'not a known slug or id' }],
    });
  }
  return id;
}

/** Refuses whoever lacks the permission; every route has exactly one. */
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
