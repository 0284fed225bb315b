import type { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import { acrossCompanies } from './session';

/**
 * Where the rows of a month are: `attached` to the ledger; `detaching`, when that was interrupted; `detached`, in a
 * table of their own that only the owner can read; or `absent` from this database.
 */
export type MonthPlace = 'attached' | 'detaching' | 'detached' | 'absent';

/** @param month `YYYY-MM` */
export const partitionOf = (month: string): string => `communications_${month.replace('-', '')}`;

/** The first day, as the columns hold it. @param month `YYYY-MM` */
export const firstDay = (month: string): string => `${month}-01`;

/** @param month `YYYY-MM` */
export async function placeOf(ledger: Client, month: string): Promise<MonthPlace> {
  const { rows } = await ledger.query<{ place: MonthPlace }>(
    `SELECT CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END AS place
     FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.oid = to_regclass('public.' || $1)`,
    [partitionOf(month)],
  );
  return rows[0]?.place ?? 'absent';
}

/**
 * Only what nobody works on any more may leave: months before the last one, for its own last days are still answered.
 * Throws CONFLICT.
 */
export async function requireOver(ledger: Client, month: string): Promise<void> {
  const { rows } = await ledger.query<{ over: boolean }>(
    `SELECT $1::date < date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' AS over`,
    [firstDay(month)],
  );
  if (rows[0]?.over === true) return;
  throw new RegenteError(
    'CONFLICT',
    `${month} is too young: this month and the one before stay in the ledger.`,
  );
}

const OPEN = `state IN ('queued', 'sending') AND source_kind <> 'notice'`;

export interface OpenWork {
  /** Rows of campaigns in `queued` or `sending`. */
  messages: number;
  /** Executions that have not ended. */
  executions: number;
}

/**
 * What of a month is still under way. The month must have its table. Account mail has ended after days, well before its
 * month may leave, and has nobody who could finish or cancel it.
 */
export async function openWork(ledger: Client, month: string): Promise<OpenWork> {
  const messages = await ledger.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${partitionOf(month)} WHERE ${OPEN}`,
  );
  const executions = await acrossCompanies(ledger, () =>
    ledger.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM campaign_executions
       WHERE ledger_month = $1 AND state NOT IN ('FINISHED', 'FAILED', 'CANCELLED')`,
      [firstDay(month)],
    ),
  );
  return { messages: messages.rows[0]?.n ?? 0, executions: executions.rows[0]?.n ?? 0 };
}

/** A month and what is of it. Without a table of its own, only `month`, `place` and `executions` say something. */
export interface LedgerMonth extends OpenWork {
  month: string;
  place: MonthPlace;
  rows: number;
  bytes: number;
  /** In `unknown`: they can be decided only while the month is there. */
  unknown: number;
}

/** Every month with a partition, a detached table or an execution, the oldest first. Counts the rows. */
export async function listMonths(ledger: Client): Promise<LedgerMonth[]> {
  const tables = await ledger.query<{ month: string }>(
    `SELECT substr(relname, 16, 4) || '-' || substr(relname, 20, 2) AS month FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^communications_[0-9]{6}$'`,
  );
  const used = await acrossCompanies(ledger, () =>
    ledger.query<{ month: string; open: number }>(
      `SELECT to_char(ledger_month, 'YYYY-MM') AS month,
         (count(*) FILTER (WHERE state NOT IN ('FINISHED', 'FAILED', 'CANCELLED')))::int AS open
       FROM campaign_executions GROUP BY 1`,
    ),
  );
  const names = [...tables.rows, ...used.rows].map(({ month }) => month);
  const months: LedgerMonth[] = [];
  for (const month of [...new Set(names)].sort()) {
    const place = await placeOf(ledger, month);
    const executions = used.rows.find((row) => row.month === month)?.open ?? 0;
    const held = place === 'absent' ? EMPTY : await countRows(ledger, month);
    months.push({ month, place, executions, ...held });
  }
  return months;
}

const EMPTY = { rows: 0, bytes: 0, messages: 0, unknown: 0 };

async function countRows(ledger: Client, month: string): Promise<typeof EMPTY> {
  const { rows } = await ledger.query<typeof EMPTY>(
    `SELECT count(*)::float8 AS rows, pg_total_relation_size('${partitionOf(month)}')::float8 AS bytes,
       (count(*) FILTER (WHERE ${OPEN}))::float8 AS messages,
       (count(*) FILTER (WHERE state = 'unknown'))::float8 AS unknown
     FROM ${partitionOf(month)}`,
  );
  return rows[0] ?? EMPTY;
}

/** Tables whose size follows the messages, and what they hold, with indexes. */
export async function growingTables(ledger: Client): Promise<{ name: string; bytes: number }[]> {
  const { rows } = await ledger.query<{ name: string; bytes: number }>(
    `SELECT relname AS name, pg_total_relation_size(oid)::float8 AS bytes FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname = ANY ($1) ORDER BY 2 DESC, 1`,
    [GROWING],
  );
  return rows;
}

const GROWING = [
  'campaign_recipients',
  'provider_messages',
  'webhook_inbox',
  'dispatch_batches',
  'budget_charges',
  'contact_frequency',
  'audit_logs',
  'outbox',
];
