import { openDatabase } from '../../prisma/client';
import { startCountingProxy, type WireCounts } from './counting-proxy';
import { createTestDatabase, query, type TestDatabase } from './database';

export interface DatabaseCounts extends WireCounts {
  /** Statements of functions and triggers, which nobody waits for but the server. */
  nested: number;
}

export interface CountedDatabase extends TestDatabase {
  /** What `db` has asked for so far, and what that has made the server do. */
  counts(): Promise<DatabaseCounts>;
}

/** A database whose `db` goes through a counter; inside the server, PostgreSQL counts itself. */
export async function createCountedDatabase(): Promise<CountedDatabase> {
  const database = await createTestDatabase();
  const { adminUrl } = database;
  const name = new URL(adminUrl).pathname.slice(1);
  await query(adminUrl, 'CREATE EXTENSION pg_stat_statements');
  await query(adminUrl, `ALTER DATABASE ${name} SET pg_stat_statements.track = 'all'`);
  const proxy = await startCountingProxy(database.appUrl);
  const db = openDatabase({ url: proxy.url });
  return {
    ...database,
    db,
    async counts() {
      const rows = await query<{ nested: number }>(
        adminUrl,
        `SELECT coalesce(sum(s.calls), 0)::int AS nested FROM pg_stat_statements s
         JOIN pg_database d ON d.oid = s.dbid
         WHERE d.datname = current_database() AND NOT s.toplevel`,
      );
      return { ...proxy.counts(), nested: rows[0]!.nested };
    },
    async drop() {
      await db.close();
      await proxy.close();
      await database.drop();
    },
  };
}
