import { notFound } from '../domain/errors';
import type { Permission, Role } from '../domain/permissions';
import type { Database } from './client';
import type { Session } from './generated/client';
import type { PageArgs } from './paging';
import { queryAcross, type TenantTx } from './tenant';
import { hashToken, newToken, SESSION_PREFIX } from './tokens';

export interface SessionOwner {
  sessionId: string;
  userId: string;
  companyId: string;
  role: Role;
}

export interface ApiKeyOwner {
  keyId: string;
  companyId: string;
  scopes: Permission[];
}

export interface LoginAccount {
  id: string;
  companyId: string;
  passwordHash: string | null;
  status: 'ACTIVE' | 'INACTIVE' | 'INVITED';
}

/** The account with this e-mail address, whatever its status. */
export async function lookupLogin(db: Database, email: string): Promise<LoginAccount | undefined> {
  return lookup<LoginAccount>(
    db,
    `SELECT id, company_id AS "companyId", password_hash AS "passwordHash", status FROM lookup_login($1)`,
    email,
  );
}

/** The live session of this token hash; nothing for an expired one or for a user who is not ACTIVE. */
export async function lookupSession(
  db: Database,
  tokenHash: Uint8Array,
): Promise<SessionOwner | undefined> {
  return lookup<SessionOwner>(
    db,
    `SELECT session_id AS "sessionId", user_id AS "userId", company_id AS "companyId", role FROM lookup_session($1)`,
    tokenHash,
  );
}

/** The live API key of this hash. */
export async function lookupApiKey(
  db: Database,
  keyHash: Uint8Array,
): Promise<ApiKeyOwner | undefined> {
  return lookup<ApiKeyOwner>(
    db,
    `SELECT key_id AS "keyId", company_id AS "companyId", scopes FROM lookup_api_key($1)`,
    keyHash,
  );
}

/** The id of the company with this slug or id. */
export async function lookupCompany(db: Database, slugOrId: string): Promise<string | undefined> {
  const found = await lookup<{ id: string | null }>(
    db,
    'SELECT lookup_company($1) AS id',
    slugOrId,
  );
  return found?.id ?? undefined;
}

export interface NewSession {
  companyId: string;
  userId: string;
  ttlMs: number;
  ipAddress: string | null;
  userAgent: string | null;
}

/** Opens a session; the token is in this answer and nowhere else. */
export async function createSession(
  tx: TenantTx,
  { ttlMs, ...owner }: NewSession,
): Promise<{ token: string; session: Session }> {
  const token = newToken(SESSION_PREFIX);
  const session = await tx.session.create({
    data: { ...owner, tokenHash: hashToken(token), expiresAt: new Date(Date.now() + ttlMs) },
  });
  return { token, session };
}

/** Somebody's sessions that have not expired, newest first. */
export async function listSessions(
  tx: TenantTx,
  userId: string,
  { after, ...page }: PageArgs,
): Promise<Session[]> {
  return tx.session.findMany({
    where: { ...after, userId, expiresAt: { gt: new Date() } },
    ...page,
  });
}

/** Ends one session of this person. Throws NOT_FOUND for anybody else's. */
export async function endSession(tx: TenantTx, userId: string, id: string): Promise<void> {
  const { count } = await tx.session.deleteMany({ where: { id, userId } });
  if (count === 0) throw notFound('session');
}

/** Ends every session of this person, or every other one. Answers how many there were. */
export async function endSessions(
  tx: TenantTx,
  userId: string,
  exceptId?: string,
): Promise<number> {
  const except = exceptId === undefined ? {} : { id: { not: exceptId } };
  const { count } = await tx.session.deleteMany({ where: { userId, ...except } });
  return count;
}

async function lookup<T extends object>(
  db: Database,
  sql: string,
  value: Uint8Array | string,
): Promise<T | undefined> {
  const given = typeof value === 'string' ? value : Buffer.from(value);
  const [found] = await queryAcross<T>(db, sql, [given]);
  return found;
}
