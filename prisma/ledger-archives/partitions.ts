import type { Client } from 'pg';
import { firstDay, partitionOf } from './months';
import { acrossCompanies } from './session';

/**
 * Takes a month out of the ledger without holding up anybody who writes to it: queries that begin from now on do not
 * see it, and this waits for those that do. Finishes what was interrupted.
 */
export async function detach(ledger: Client, month: string, pending: boolean): Promise<void> {
  const way = pending ? 'FINALIZE' : 'CONCURRENTLY';
  await ledger.query(`ALTER TABLE communications DETACH PARTITION ${partitionOf(month)} ${way}`);
}

/** Puts a table of this month back into the ledger, and takes its seal. */
export async function attach(ledger: Client, month: string): Promise<void> {
  const table = partitionOf(month);
  await ledger.query(`COMMENT ON TABLE ${table} IS NULL`);
  await ledger.query(
    `ALTER TABLE communications ATTACH PARTITION ${table}
       FOR VALUES FROM ('${firstDay(month)}') TO (date '${firstDay(month)}' + interval '1 month')`,
  );
}

/** An empty table that can become the partition of this month; the application has no right on it. */
export async function createDetached(ledger: Client, month: string): Promise<void> {
  await ledger.query(`CREATE TABLE ${partitionOf(month)} (LIKE communications INCLUDING ALL)`);
  await ledger.query(`ALTER TABLE ${partitionOf(month)} ENABLE ROW LEVEL SECURITY`);
}

export async function dropDetached(ledger: Client, month: string): Promise<void> {
  await ledger.query(`DROP TABLE ${partitionOf(month)}`);
}

/**
 * Says on the detached table itself which archive holds it. From then on its vendor ids may be deleted, and no other
 * archive of it may be written.
 */
export async function seal(ledger: Client, month: string, manifestHash: string): Promise<void> {
  const text = ledger.escapeLiteral(`${SEAL}${manifestHash}`);
  await ledger.query(`COMMENT ON TABLE ${partitionOf(month)} IS ${text}`);
}

const SEAL = 'archived as ';

/** The hash of the manifest that a detached month was sealed with; undefined before. */
export async function sealOf(ledger: Client, month: string): Promise<string | undefined> {
  const { rows } = await ledger.query<{ text: string | null }>(
    `SELECT obj_description(to_regclass('public.' || $1), 'pg_class') AS text`,
    [partitionOf(month)],
  );
  const text = rows[0]?.text ?? '';
  return text.startsWith(SEAL) ? text.slice(SEAL.length) : undefined;
}

/** Pages of 8 kB that one statement looks through, so that none holds anything for long. */
const PAGES_AT_ONCE = 256;

/**
 * Deletes the vendor ids of a month, which no index finds: page by page, each step committed by itself. Answers how
 * many there were.
 */
export async function deleteProviderIds(ledger: Client, month: string): Promise<number> {
  return acrossCompanies(ledger, async () => {
    const { rows } = await ledger.query<{ pages: number }>(
      `SELECT (pg_relation_size('provider_messages') / current_setting('block_size')::int)::int AS pages`,
    );
    const pages = rows[0]?.pages ?? 0;
    let deleted = 0;
    for (let page = 0; page < pages; page += PAGES_AT_ONCE) {
      const { rowCount } = await ledger.query(
        'DELETE FROM provider_messages WHERE ctid >= $1::tid AND ctid < $2::tid AND ledger_month = $3',
        [`(${page},0)`, `(${page + PAGES_AT_ONCE},0)`, firstDay(month)],
      );
      deleted += rowCount ?? 0;
    }
    return deleted;
  });
}
