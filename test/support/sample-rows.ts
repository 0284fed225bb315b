import { randomBytes, randomUUID } from 'node:crypto';
import type { Client } from 'pg';

/** Where a rule of the table goes beyond the types and lists that `sampleRow` reads from the catalogue. */
const SPECIAL: Record<string, Row> = {
  blocklist_entries: { phone: '+5511987654321' },
  budgets: { year: 2026, month: 11, budget: '10' },
  dispatch_batches: { from_position: 0, to_position: 0, next_position: 0 },
};

export type Row = Record<string, unknown>;

interface Column {
  name: string;
  type: string;
  /** A value that its CHECK allows, where that is a list. */
  allowed: string | null;
  /** The table and column that a foreign key names; company_id itself is known. */
  target: string | null;
  target_column: string | null;
}

/**
 * Inserts a minimal row of every table for a company, those that others refer to first. The connection must
 * not be bound by policies and grants of the application. Answers the rows by table.
 */
export async function insertSamples(client: Client, companyId: string): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname NOT IN ('_prisma_migrations', 'login_attempts') ORDER BY relname <> 'companies', 1`,
  );
  for (const { name } of tables) await sampleRow(client, name, companyId, rows);
  return rows;
}

/** `INSERT` with its values in order, to be run by whoever. */
export function insertStatement(table: string, row: Row): { text: string; values: unknown[] } {
  const columns = Object.keys(row);
  const marks = columns.map((_, index) => `$${index + 1}`);
  return {
    text: `INSERT INTO ${table} (${columns.map((name) => `"${name}"`).join(', ')}) VALUES (${marks.join(', ')})`,
    values: Object.values(row),
  };
}

async function sampleRow(
  client: Client,
  table: string,
  companyId: string,
  rows: Map<string, Row>,
): Promise<Row> {
  const known = rows.get(table);
  if (known !== undefined) return known;
  const row: Row = table === 'companies' ? { id: companyId } : { id: randomUUID() };
  const columns = await neededColumns(client, table);
  for (const column of columns) {
    const { name, target, target_column: key } = column;
    if (name === 'company_id') row[name] = companyId;
    else if (target !== null && key !== null) {
      row[name] = (await sampleRow(client, target, companyId, rows))[key];
    } else row[name] = column.allowed ?? anyValue(column);
  }
  if (!(await hasColumn(client, table, 'id'))) delete row['id'];
  Object.assign(row, SPECIAL[table]);
  await client.query(insertStatement(table, row));
  rows.set(table, row);
  return row;
}

/** Those that must have a value and have no default, and company_id. */
async function neededColumns(client: Client, table: string): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
       (SELECT substring(pg_get_constraintdef(k.oid) FROM format('\\(%s = ANY \\(ARRAY\\[''([^'']*)''', a.attname))
          FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
          LIMIT 1) AS allowed,
       f.target, f.target_column
     FROM pg_attribute a
       LEFT JOIN LATERAL (
         SELECT k.confrelid::regclass::text AS target, t.attname AS target_column
           FROM pg_constraint k, unnest(k.conkey, k.confkey) pair(here, there)
             JOIN pg_attribute t ON true
           WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND pair.here = a.attnum AND t.attrelid = k.confrelid
             AND t.attnum = pair.there AND a.attname <> 'company_id' LIMIT 1) f ON true
     WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND a.attnotnull AND NOT a.atthasdef
     ORDER BY a.attname = 'company_id' DESC, a.attnum`,
    [table],
  );
  return rows;
}

function anyValue({ name, type }: Column): unknown {
  switch (type) {
    case 'uuid':
      return randomUUID();
    case 'text':
      return randomBytes(6).toString('hex');
    case 'bytea':
      return randomBytes(32);
    case 'text[]':
    case 'timestamp with time zone[]':
      return [];
    case 'jsonb':
      return {};
    case 'integer':
      return 1 + randomBytes(2).readUInt16BE();
    case 'numeric':
    case 'double precision':
      return 1;
    case 'date':
    case 'timestamp with time zone':
      return new Date().toISOString();
    default:
      throw new Error(`test/support/sample-rows.ts has no value for the column ${name} (${type}).`);
  }
}

async function hasColumn(client: Client, table: string, name: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2',
    [table, name],
  );
  return rowCount !== 0;
}
