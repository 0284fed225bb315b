import type { Database } from './client';
import { MONTHS_AHEAD } from './ledger-months';
import { probe } from './probe';
import { queryAcross } from './tenant';

/**
 * Whether the ledger has the partitions of this month and of the next. Without them the first message of a month would
 * be refused. Not earlier than that: an API that says it is not ready gets no requests, which is worse than the warning.
 * Rejects when the database does not answer within `LOOK_WITHIN_MS`.
 */
export async function ledgerReachesAhead(db: Database): Promise<boolean> {
  const [row] = await probe<{ ahead: boolean }>(
    db,
    `SELECT ledger_has_month(t::date) AND ledger_has_month((t + interval '1 month')::date) AS ahead
     FROM date_trunc('month', now() AT TIME ZONE 'UTC') t`,
  );
  return row?.ahead === true;
}

/** Rows of each table that one statement removes, so that it stays far below its time limit. */
const PRUNED_AT_ONCE = 5_000;

/**
 * Makes the coming partitions of the ledger and removes what nobody needs any more, across companies. Called every
 * hour, it looks at every row about once a day. Answers how many rows it has removed.
 */
export async function runUpkeep(db: Database, now: Date = new Date()): Promise<number> {
  await queryAcross(db, 'SELECT ledger_ensure_partitions($1)', [MONTHS_AHEAD]);
  for (let total = 0; ;) {
    const [row] = await queryAcross<{ removed: number }>(
      db,
      'SELECT prune_expired($1, $2) AS removed',
      [PRUNED_AT_ONCE, now.getUTCHours()],
    );
    const removed = row?.removed ?? 0;
    if (removed === 0) return total;
    total += removed;
  }
}
