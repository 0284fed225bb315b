import {
  requireColumnCount,
  resolveColumns,
  type AudienceColumns,
} from '../../domain/audience-columns';
import { readRow } from '../../domain/audience-rows';
import type { AudienceList } from '../../domain/audiences.schema';
import { normalizeName } from '../../domain/column-names';
import type { AppContext } from '../context';
import { sendsJson } from '../uploads';
import type { AudienceBatch, AudienceCsvOptions } from './parse';

/** A list that was read; it is small, so it is one batch. */
export interface ReadList {
  columns: AudienceColumns;
  batch: AudienceBatch;
}

/** An item as one flat row: its columns by header, and its variables by normalised name. */
interface FlatItem {
  cells: ReadonlyMap<string, string>;
  variables: ReadonlyMap<string, string>;
}

/**
 * Reads a list as a file with one column per key; a row's line is the number of its item, from 1. What is under
 * `variables` is never a field, whatever its name, and comes before a column of that name.
 * Throws VALIDATION as `resolveColumns`.
 */
export function readAudienceList(
  { items }: AudienceList,
  options: Omit<AudienceCsvOptions, 'limits'>,
): ReadList {
  const flat = items.map(flatten);
  const headers = [...new Set(flat.flatMap(({ cells }) => [...cells.keys()]))];
  const names = [...new Set(flat.flatMap(({ variables }) => [...variables.keys()]))];
  const columns = withVariables(resolveColumns(headers, options), names);
  const batch: AudienceBatch = { rows: [], rejects: [] };
  for (const [index, { cells, variables }] of flat.entries()) {
    const row = [
      ...headers.map((header) => cells.get(header) ?? ''),
      ...names.map((name) => variables.get(name) ?? ''),
    ];
    const read = readRow(row, index + 1, columns, options);
    if (read.ok) batch.rows.push({ line: index + 1, ...read });
    else batch.rejects.push(read.reject);
  }
  return { columns, batch };
}

function flatten(item: AudienceList['items'][number]): FlatItem {
  const cells = new Map<string, string>();
  const variables = new Map<string, string>();
  for (const [header, value] of Object.entries(item)) {
    if (typeof value !== 'object' || value === null) cells.set(header, String(value ?? ''));
    else
      for (const [name, inner] of Object.entries(value))
        variables.set(normalizeName(name), String(inner ?? ''));
  }
  variables.delete('');
  return { cells, variables };
}

/** Behind the columns of the list, where a row of it holds them. */
function withVariables(columns: AudienceColumns, names: readonly string[]): AudienceColumns {
  const { headers } = columns;
  requireColumnCount(headers.length + names.length);
  const added = names.map((name, index) => ({ index: headers.length + index, name }));
  return {
    ...columns,
    headers: [...headers, ...names.map((name) => `variables.${name}`)],
    variables: [...columns.variables, ...added],
  };
}

/** A list with the size of the body that it came in. */
export interface SentList extends AudienceList {
  bytes: number;
}

/**
 * The body as a list; null where it is a file.
 * @param checked what the route's check has made of the body; of a file, it is nothing
 */
export async function listOf(
  c: AppContext,
  checked: AudienceList | string,
): Promise<SentList | null> {
  if (!sendsJson(c) || typeof checked === 'string') return null;
  return { items: checked.items, bytes: (await c.req.arrayBuffer()).byteLength };
}
