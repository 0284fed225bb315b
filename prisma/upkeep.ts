import type { Database } from './client';
import { probe } from './probe';
import { queryAcross } from './tenant';

/** Months of ledger partitions that are kept ready; the API's `/readyz` fails under three. */
const MONTHS_AHEAD = 4;

/**
 * Whether the ledger has its partitions for the next three months. Without them the first message of a month that has
 * none would be refused, so this must be seen long before. Rejects when the database does not answer within two seconds.
 */
export async function ledgerReachesAhead(db: Database): Promise<boolean> {
  const [row] = await probe<{ ahead: boolean }>(
    db,
    `SELECT to_regclass('communications_' || to_char(now() AT TIME ZONE 'UTC' + interval '3 months', 'YYYYMM')) IS NOT NULL AS ahead`,
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
