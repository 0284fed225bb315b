import type { Client } from 'pg';

/** A table in words that compare: from the schema files (`schemaShapes`) or from a database (`databaseShapes`). */
export interface TableShape {
  /** Column → `<type>[ not null][ default <value>]`. */
  columns: Record<string, string>;
  primaryKey: string;
  uniques: string[];
  indexes: string[];
  /** `(a, b) → table (c, d) on delete …`. */
  foreignKeys: string[];
}

export type TableShapes = Record<string, TableShape>;

/** What a database has, without partitions and Prisma's own table. What Prisma cannot express is apart. */
export async function databaseShapes(
  client: Client,
): Promise<{ tables: TableShapes; sqlOnly: string[] }> {
  const tables: TableShapes = {};
  const { rows: names } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
       AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition AND relname <> '_prisma_migrations' ORDER BY 1`,
  );
  for (const { name } of names) {
    tables[name] = { columns: {}, primaryKey: '', uniques: [], indexes: [], foreignKeys: [] };
  }
  for (const row of await columnsOf(client)) {
    const shape = tables[row.table];
    if (shape !== undefined) shape.columns[row.name] = columnInWords(row);
  }
  const sqlOnly: string[] = [];
  for (const row of await indexesOf(client)) {
    const shape = tables[row.table];
    if (shape === undefined) continue;
    const keys = `(${row.keys.join(', ')})`;
    if (row.sql_only) sqlOnly.push(shortened(row.definition));
    else if (row.is_primary) shape.primaryKey = keys;
    else if (row.is_unique) shape.uniques.push(keys);
    else shape.indexes.push(keys);
  }
  const { rows: keys } = await client.query<{ table: string; definition: string }>(
    `SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0`,
  );
  for (const { table, definition } of keys) {
    const [, from, to, columns, , onDelete] =
      /^FOREIGN KEY (\(.+\)) REFERENCES (\w+)(\([^)]+\))( ON DELETE (.+))?$/.exec(definition) ?? [];
    tables[table]?.foreignKeys.push(
      columns === undefined
        ? definition
        : `${from} → ${to} ${columns} on delete ${(onDelete ?? 'no action').toLowerCase()}`,
    );
  }
  return { tables: sorted(tables), sqlOnly: sqlOnly.sort() };
}

/** The same order on both sides, where the order means nothing. */
export function sorted(tables: TableShapes): TableShapes {
  for (const shape of Object.values(tables)) {
    for (const list of [shape.uniques, shape.indexes, shape.foreignKeys]) list.sort();
  }
  return tables;
}

export function columnInWords(column: {
  type: string;
  required: boolean;
  default: string | null;
}): string {
  const { type, required, default: value } = column;
  return `${type}${required ? ' not null' : ''}${value === null ? '' : ` default ${value}`}`;
}

interface ColumnRow {
  table: string;
  name: string;
  type: string;
  required: boolean;
  default: string | null;
}

async function columnsOf(client: Client): Promise<ColumnRow[]> {
  const { rows } = await client.query<ColumnRow>(
    `SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       pg_get_expr(d.adbin, d.adrelid) AS default
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped`,
  );
  return rows.map((row) => ({ ...row, default: literal(row.default) }));
}

/** `'{}'::text[]` → `{}`; a call stays as it is. */
function literal(expression: string | null): string | null {
  const [, quoted] = /^'(.*)'::[\w [\]]+$/.exec(expression ?? '') ?? [];
  return quoted ?? expression;
}

/** Without what is the same everywhere. */
const shortened = (definition: string): string =>
  definition.replace(/^CREATE |public\.|USING btree |'|::text/g, '');

interface IndexRow {
  table: string;
  is_primary: boolean;
  is_unique: boolean;
  sql_only: boolean;
  keys: string[];
  definition: string;
}

async function indexesOf(client: Client): Promise<IndexRow[]> {
  const { rows } = await client.query<IndexRow>(
    `SELECT c.relname AS table, i.indisprimary AS is_primary, i.indisunique AS is_unique,
       i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR i.indnullsnotdistinct AS sql_only,
       ARRAY(SELECT replace(pg_get_indexdef(i.indexrelid, k, true), '"', '') || CASE WHEN i.indoption[k - 1] & 1 = 1 THEN ' desc' ELSE '' END
         FROM generate_series(1, i.indnkeyatts) k) AS keys,
       pg_get_indexdef(i.indexrelid) AS definition
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition`,
  );
  return rows;
}
