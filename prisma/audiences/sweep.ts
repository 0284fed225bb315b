import type { Database } from '../client';
import { withTenantConnection, type TenantConnection } from '../tenant';

const CHUNK_ROWS = 20_000;

/**
 * Removes the audiences of a campaign that nobody needs: replaced, failed, or left by a process that died. One that an
 * execution with people refers to stays. In short transactions, so that it can be broken off at any point; whatever
 * is left goes with the next upload.
 */
export async function sweepAudiences(
  db: Database,
  companyId: string,
  campaignId: string,
): Promise<void> {
  const useless = await withTenantConnection(db, companyId, async (connection) => {
    const { rows } = await connection.query<{ id: string; held: boolean }>(
      `SELECT a.id, EXISTS (SELECT FROM campaign_executions e WHERE e.campaign_id = $1 AND e.audience_id = a.id) AS held
         FROM audiences a LEFT JOIN campaigns c ON c.id = a.campaign_id
         WHERE a.campaign_id = $1 AND a.state <> 'loading' AND a.source IN ('csv', 'list', 'clone')
           AND a.id IS DISTINCT FROM c.audience_id
           AND NOT EXISTS (SELECT FROM campaign_executions e WHERE e.campaign_id = $1 AND e.audience_id = a.id AND e.recipients > 0)`,
      [campaignId],
    );
    return rows;
  });
  for (const { id, held } of useless) {
    await removeRows(db, companyId, 'campaign_recipients', id);
    await removeRows(db, companyId, 'audience_rejects', id);
    // A withdrawn execution still names it.
    if (held) continue;
    await withTenantConnection(db, companyId, (connection) =>
      connection.query('DELETE FROM audiences WHERE id = $1', [id]),
    );
  }
}

const KEY = { campaign_recipients: 'position', audience_rejects: 'seq' } as const;

/** By ranges of the key, so that no part of the table is read twice. */
async function removeRows(
  db: Database,
  companyId: string,
  table: keyof typeof KEY,
  audienceId: string,
): Promise<void> {
  for (let from: number | null = 0; from !== null;) {
    const first: number = from;
    from = await withTenantConnection(db, companyId, (connection) =>
      removeRange(connection, table, audienceId, first),
    );
  }
}

/** Removes the first rows from this key on; answers the key to go on from, or null when there were none. */
async function removeRange(
  connection: TenantConnection,
  table: keyof typeof KEY,
  audienceId: string,
  from: number,
): Promise<number | null> {
  const key = KEY[table];
  const { rows } = await connection.query<{ first: number | null }>(
    `SELECT min(${key}) AS first FROM ${table} WHERE audience_id = $1 AND ${key} >= $2`,
    [audienceId, from],
  );
  const first = rows[0]?.first ?? null;
  if (first === null) return null;
  await connection.query(
    `DELETE FROM ${table} WHERE audience_id = $1 AND ${key} BETWEEN $2 AND $3`,
    [audienceId, first, first + CHUNK_ROWS - 1],
  );
  return first + CHUNK_ROWS;
}
