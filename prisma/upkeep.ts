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

/** Rows that one statement removes, so that it stays far below its time limit. */
const PRUNED_AT_ONCE = 5_000;

/** In the order of what they cost to look through, so that a large one holds up no small one. */
const PRUNED_TABLES = [
  'sessions',
  'idempotency_keys',
  'rate_buckets',
  'outbox',
  'webhook_inbox',
  'contact_frequency',
] as const;

/**
 * Makes the coming partitions of the ledger and removes what nobody needs any more, across companies. Called every
 * hour, it looks at every row about once a day. Answers how many rows it has removed.
 */
export async function runUpkeep(db: Database, now: Date = new Date()): Promise<number> {
  await queryAcross(db, 'SELECT ledger_ensure_partitions($1)', [MONTHS_AHEAD]);
  let total = 0;
  for (const table of PRUNED_TABLES) total += await prune(db, table, now.getUTCHours());
  return total;
}

async function prune(
  db: Database,
  table: (typeof PRUNED_TABLES)[number],
  slice: number,
): Promise<number> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (let total = 0; ;) {
    const [row] = await queryAcross<{ removed: number; last: string | null }>(
      db,
      'SELECT removed, last FROM prune_expired($1, $2, $3, $4)',
      [table, PRUNED_AT_ONCE, after, slice],
    );
    const removed = row?.removed ?? 0;
    total += removed;
    if (removed < PRUNED_AT_ONCE) return total;
    after = row?.last ?? after;
  }
}
