import type { ApiKeyFilter } from '../domain/api-keys.schema';
import { notFound } from '../domain/errors';
import type { Permission, Role } from '../domain/permissions';
import type { ApiKey } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';
import { API_KEY_PREFIX, hashToken, newToken } from './tokens';

export interface NewApiKey {
  companyId: string;
  name: string;
  scopes: readonly Permission[];
  expiresAt: Date | null;
  /** Null for a key of the operator's command line: it outlives every person. */
  createdBy: string | null;
}

/** How much of a key lists show, so that one can tell keys apart: 48 of its 256 bits. */
const SHOWN_LENGTH = API_KEY_PREFIX.length + 8;

/** Makes a key; the key itself is in this answer and nowhere else. */
export async function createApiKey(
  tx: TenantTx,
  { scopes, ...input }: NewApiKey,
): Promise<{ key: string; row: ApiKey }> {
  const key = newToken(API_KEY_PREFIX);
  const row = await tx.apiKey.create({
    data: {
      ...input,
      scopes: [...scopes],
      prefix: key.slice(0, SHOWN_LENGTH),
      keyHash: hashToken(key),
    },
  });
  return { key, row };
}

export async function listApiKeys(
  tx: TenantTx,
  { createdBy, live }: Omit<ApiKeyFilter, 'createdBy'> & { createdBy?: string },
  { after, ...page }: PageArgs,
): Promise<ApiKey[]> {
  const isLive = { revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: new Date() } }] };
  return tx.apiKey.findMany({
    where: {
      ...after,
      ...(createdBy === undefined ? {} : { createdBy }),
      ...(live === undefined ? {} : live ? isLive : { NOT: isLive }),
    },
    ...page,
  });
}

/** Throws NOT_FOUND. */
export async function getApiKey(tx: TenantTx, id: string): Promise<ApiKey> {
  const key = await tx.apiKey.findUnique({ where: { id } });
  if (key === null) throw notFound('API key');
  return key;
}

/** The role of the person behind a key; null for a key of the operator's command line. */
export async function roleBehindKey(tx: TenantTx, id: string): Promise<Role | null> {
  const key = await tx.apiKey.findUnique({ where: { id }, include: { creator: true } });
  return (key?.creator?.role as Role | undefined) ?? null;
}

/** Ends a key; one that has ended keeps its date. */
export async function revokeApiKey(tx: TenantTx, id: string): Promise<ApiKey> {
  await tx.apiKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: new Date() } });
  return getApiKey(tx, id);
}

/** Ends every key that this person made. */
export async function revokeApiKeysOf(tx: TenantTx, userId: string): Promise<number> {
  const { count } = await tx.apiKey.updateMany({
    where: { createdBy: userId, revokedAt: null },
    data: { revokedAt: new Date() },
  });
  return count;
}

/** A key that a new role of its maker has changed; without scopes it has ended. */
export interface NarrowedKey {
  id: string;
  scopes: string[];
}

/** Takes from this person's keys what their new role does not have, and answers which; a key without scopes ends. */
export async function narrowApiKeysOf(
  tx: TenantTx,
  userId: string,
  permissions: readonly Permission[],
): Promise<NarrowedKey[]> {
  return tx.$queryRaw<NarrowedKey[]>`
    UPDATE api_keys SET updated_at = now(),
        scopes = ARRAY(SELECT s FROM unnest(scopes) s WHERE s = ANY (${[...permissions]}::text[])),
        revoked_at = CASE WHEN scopes && ${[...permissions]}::text[] THEN NULL ELSE now() END
      WHERE created_by = ${userId}::uuid AND revoked_at IS NULL AND NOT scopes <@ ${[...permissions]}::text[]
      RETURNING id, scopes`;
}
