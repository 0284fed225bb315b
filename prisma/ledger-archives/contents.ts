import { createHash } from 'node:crypto';
import { Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { firstDay, partitionOf } from './months';
import { acrossCompanies } from './session';

/** The tables that an archive holds rows of. */
export const PARTS = ['communications', 'provider_messages'] as const;
export type Part = (typeof PARTS)[number];

/** What came out of a table: the same rows give the same text, and so the same hash. */
export interface Contents {
  rows: number;
  /** Of the CSV, with its header. */
  bytes: number;
  sha256: string;
  columns: string[];
}

/** In an order that every server makes the same, whatever its collation. */
const ORDER: Readonly<Record<Part, string>> = {
  communications: 'ledger_month, source_id, position, step, channel COLLATE "C"',
  provider_messages: 'credential_id, provider_id COLLATE "C"',
};

/**
 * Reads the rows of a month as CSV (header, comma, empty for null) into `sink`, or only through the hash.
 * @param columns in this order; all that the table has when left out.
 */
export async function readPart(
  ledger: Client,
  part: Part,
  month: string,
  { columns: given, sink }: { columns?: readonly string[]; sink?: Writable } = {},
): Promise<Contents> {
  const columns = given === undefined ? await columnsOf(ledger, part) : [...given];
  const isLedger = part === 'communications';
  const from = isLedger
    ? partitionOf(month)
    : `provider_messages WHERE ledger_month = '${firstDay(month)}'`;
  const list = listed(ledger, columns);
  const sql = `COPY (SELECT ${list} FROM ${from} ORDER BY ${ORDER[part]}) TO STDOUT (FORMAT csv, HEADER)`;
  const read = async (): Promise<Contents> => {
    const stream = ledger.query(copyTo(sql));
    const hash = createHash('sha256');
    let bytes = 0;
    async function* counted(chunks: Readable): AsyncGenerator<Buffer> {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
    await pipeline(stream, counted, sink ?? nowhere());
    return { rows: stream.rowCount, bytes, sha256: hash.digest('hex'), columns };
  };
  return isLedger ? read() : acrossCompanies(ledger, read);
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

async function columnsOf(ledger: Client, part: Part): Promise<string[]> {
  const { rows } = await ledger.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = to_regclass('public.' || $1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [part],
  );
  return rows.map(({ name }) => name);
}

const listed = (ledger: Client, columns: readonly string[]): string =>
  columns.map((name) => ledger.escapeIdentifier(name)).join(', ');

/**
 * Writes archived rows back: those of the ledger into the detached table of their month, vendor ids beside those that
 * are there. In a transaction of the caller.
 */
export async function writePart(
  ledger: Client,
  part: Part,
  { month, columns, source }: { month: string; columns: readonly string[]; source: Readable },
): Promise<void> {
  const list = listed(ledger, columns);
  const isLedger = part === 'communications';
  const table = isLedger ? partitionOf(month) : 'archived_provider_messages';
  if (!isLedger) {
    // COPY into a table with row-level security is refused, and rows that are there already must not stop it.
    await ledger.query(
      `CREATE TEMPORARY TABLE ${table} (LIKE provider_messages INCLUDING DEFAULTS) ON COMMIT DROP`,
    );
    await ledger.query(`GRANT SELECT ON ${table} TO regente_definer`);
  }
  await pipeline(
    source,
    ledger.query(copyFrom(`COPY ${table} (${list}) FROM STDIN (FORMAT csv, HEADER MATCH)`)),
  );
  if (isLedger) return;
  await acrossCompanies(ledger, () =>
    ledger.query(
      `INSERT INTO provider_messages (${list}) SELECT ${list} FROM ${table} ON CONFLICT (credential_id, provider_id) DO NOTHING`,
    ),
  );
}
