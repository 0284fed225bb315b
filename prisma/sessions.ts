import type { Role } from '../domain/permissions';
import type { Permission } from '../domain/permissions';
import type { Database } from './client';
import { fromDatabase } from './errors';

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

/** The live session of this token hash; nothing for an expired one or for a user who is not ACTIVE. */
export async function lookupSession(
  db: Database,
  tokenHash: Buffer,
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
  keyHash: Buffer,
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

async function lookup<T extends object>(
  db: Database,
  sql: string,
  value: Buffer | string,
): Promise<T | undefined> {
  try {
    const { rows } = await db.pool.query<T>(sql, [value]);
    return rows[0];
  } catch (error) {
    throw fromDatabase(error);
  }
}
