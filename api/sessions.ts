import { z } from '@hono/zod-openapi';
import { RegenteError } from '../domain/errors';
import { ROLES } from '../domain/permissions';
import { LoginInput } from '../domain/sessions.schema';
import { hasLoggedInFrom, LOGIN_ACTION, recordAudit } from '../prisma/audit-logs';
import type { Session as SessionRow } from '../prisma/generated/client';
import {
  createSession,
  endSession,
  listSessions,
  lookupLogin,
  type LoginAccount,
} from '../prisma/sessions';
import { withTenant } from '../prisma/tenant';
import { getUser, noteLogin } from '../prisma/users';
import { afterAnswering } from './background';
import { userOf, type ApiDeps, type AppContext } from './context';
import { countLogin, tooManyAttempts } from './login-limits';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { verifyPassword } from './passwords';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { auditAs, write } from './write';

const Login = z
  .object({
    token: z.string().describe('Shown once.'),
    expiresAt: z.iso.datetime(),
    user: z.object({
      id: z.uuid(),
      companyId: z.uuid(),
      name: z.string(),
      email: z.string(),
      role: z.enum(ROLES),
    }),
  })
  .openapi('Login');

const Session = z
  .object({
    id: z.uuid(),
    current: z.boolean(),
    ipAddress: z.string().nullable(),
    userAgent: z.string().nullable(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .openapi('Session');

const show = (row: SessionRow, currentId: string) => ({
  id: row.id,
  current: row.id === currentId,
  ipAddress: row.ipAddress,
  userAgent: row.userAgent,
  createdAt: row.createdAt.toISOString(),
  lastUsedAt: row.lastUsedAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
});

const tags = ['Sessions'];

const login = defineRoute('anyone', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'logIn',
  summary: 'Log in with e-mail and password',
  request: { body: jsonBody(LoginInput) },
  responses: { 201: json(Login, 'Logged in') },
});
const list = defineRoute('self', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listSessions',
  summary: 'List your open sessions',
  request: { query: PageQuery },
  responses: { 200: json(pageOf(Session), 'A page of your open sessions') },
});
const logout = defineRoute('self', {
  method: 'delete',
  path: '/current',
  tags,
  operationId: 'logOut',
  summary: 'End the session that asks',
  responses: { 204: { description: 'Logged out' } },
});
const end = defineRoute('self', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'endSession',
  summary: 'End one of your sessions',
  request: { params: IdParam },
  responses: { 204: { description: 'Ended' } },
});

export function sessionRoutes(deps: ApiDeps) {
  const { db } = deps;
  return createRouter()
    .openapi(login, async (c) => {
      const { email, password } = c.req.valid('json');
      return c.json(await logIn(deps, c, email, password), 201);
    })
    .openapi(list, async (c) => {
      const { id, companyId, sessionId } = userOf(c);
      const query = c.req.valid('query');
      const rows = await withTenant(db, companyId, (tx) => listSessions(tx, id, pageArgs(query)));
      return c.json(
        page(rows, query.limit, (row) => show(row, sessionId)),
        200,
      );
    })
    .openapi(logout, async (c) => {
      const { sessionId } = userOf(c);
      await endOne(c, sessionId, 'user.logout');
      return c.body(null, 204);
    })
    .openapi(end, async (c) => {
      await endOne(c, c.req.valid('param').id, 'session.end');
      return c.body(null, 204);
    });

  async function endOne(c: AppContext, sessionId: string, action: string): Promise<void> {
    const { id } = userOf(c);
    await write(c, db, 204, async (tx, audit) => {
      await endSession(tx, id, sessionId);
      await audit({ action, entityType: 'session', entityId: sessionId, before: { userId: id } });
      return null;
    });
  }
}

/** How long an address at which an account has logged in stays known. */
const KNOWN_ADDRESS_MS = 90 * 24 * 3_600_000;

const refused = (): RegenteError =>
  new RegenteError('UNAUTHENTICATED', 'The e-mail address or the password is wrong.');

/** The same answer, after the same time, for every reason. */
async function logIn(deps: ApiDeps, c: AppContext, email: string, password: string) {
  const { db, config, logger } = deps;
  const ipAddress = c.get('ipAddress');
  const attempt = await countLogin(db, { email, ipAddress });
  const account = await lookupLogin(db, email);
  if (attempt.accountUnderAttack !== null && !(await isKnownAddress(deps, account, ipAddress)))
    throw tooManyAttempts(attempt.accountUnderAttack.retryAfterMs);

  const fits = await verifyPassword(account?.passwordHash ?? null, password);
  const answer =
    account !== undefined && fits && account.status === 'ACTIVE'
      ? await openSession(deps, c, account, config.SESSION_TTL_HOURS * 3_600_000)
      : undefined;
  if (answer !== undefined) {
    await attempt.forgive();
    return answer;
  }
  if (account !== undefined) {
    const { id, companyId, status } = account;
    const reason = fits ? `is ${status}` : 'wrong password';
    const actor = auditAs(c, 'system', null);
    afterAnswering(logger, 'the audit of a refused login', () =>
      withTenant(db, companyId, (tx) =>
        recordAudit(tx, companyId, actor, {
          action: 'user.login_refused',
          entityType: 'user',
          entityId: id,
          after: { reason },
        }),
      ),
    );
  }
  throw refused();
}

async function isKnownAddress(
  { db }: ApiDeps,
  account: LoginAccount | undefined,
  ipAddress: string,
): Promise<boolean> {
  if (account === undefined) return false;
  const since = new Date(Date.now() - KNOWN_ADDRESS_MS);
  return withTenant(db, account.companyId, (tx) =>
    hasLoggedInFrom(tx, account.id, ipAddress, since),
  );
}

/** Nothing when the account was changed while its password was being checked. */
async function openSession(
  { db }: ApiDeps,
  c: AppContext,
  account: LoginAccount,
  ttlMs: number,
): Promise<z.infer<typeof Login> | undefined> {
  const { id, companyId } = account;
  const actor = auditAs(c, 'user', id);
  return withTenant(db, companyId, async (tx) => {
    if (!(await noteLogin(tx, account))) return undefined;
    const { ipAddress, userAgent } = actor;
    const owner = { companyId, userId: id, ipAddress, userAgent };
    const { token, session } = await createSession(tx, { ...owner, ttlMs });
    await recordAudit(tx, companyId, actor, {
      action: LOGIN_ACTION,
      entityType: 'user',
      entityId: id,
      after: { sessionId: session.id },
    });
    const { name, email, role } = await getUser(tx, id);
    return {
      token,
      expiresAt: session.expiresAt.toISOString(),
      user: { id, companyId, name, email, role },
    };
  });
}
