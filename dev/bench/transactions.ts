import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';

/** A connection tells what it has done when it works again, or after ten seconds without work. */
const TOLD_MS = 11_000;

export interface TransactionCount {
  /**
   * What was done in these databases since the beginning, less what is done in the same time when nobody asks for
   * anything; takes twice as long as connections take to tell. Null without databases.
   */
  end(): Promise<number | null>;
}

export async function beginTransactions(
  admin: Client,
  databases: readonly string[],
): Promise<TransactionCount> {
  const read = async (): Promise<{ done: number; atMs: number }> => {
    const { rows } = await admin.query<{ done: number }>(
      `SELECT coalesce(sum(xact_commit + xact_rollback), 0)::float8 AS done FROM pg_stat_database
       WHERE datname = ANY ($1::name[])`,
      [databases],
    );
    return { done: rows[0]?.done ?? 0, atMs: performance.now() };
  };
  const before = await read();
  return {
    async end() {
      if (databases.length === 0) return null;
      await delay(TOLD_MS);
      const after = await read();
      await delay(TOLD_MS);
      const idle = await read();
      const idlePerMs = (idle.done - after.done) / (idle.atMs - after.atMs);
      return after.done - before.done - idlePerMs * (after.atMs - before.atMs);
    },
  };
}
