import type { Database } from './client';

/** Months of ledger partitions that are kept ready; `readyz` fails under three. */
const MONTHS_AHEAD = 4;

/** Makes the coming partitions of the ledger and removes what nobody needs any more, across companies. */
export async function runUpkeep(db: Database): Promise<void> {
  await db.pool.query('SELECT ledger_ensure_partitions($1)', [MONTHS_AHEAD]);
  await db.pool.query('SELECT prune_expired()');
}
