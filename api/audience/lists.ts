import { resolveColumns, type AudienceColumns } from '../../domain/audience-columns';
import { readRow } from '../../domain/audience-rows';
import { AudienceList } from '../../domain/audiences.schema';
import type { AppContext } from '../context';
import { sendsJson } from '../uploads';
import type { AudienceBatch, AudienceCsvOptions } from './parse';

/** A list that was read; it is small, so it is one batch. */
export interface ReadList {
  columns: AudienceColumns;
  batch: AudienceBatch;
}

/**
 * Reads a list as a file with one column per key; a row's line is the number of its item, from 1.
 * Throws VALIDATION as `resolveColumns`.
 */
export function readAudienceList(
  { items }: AudienceList,
  options: Omit<AudienceCsvOptions, 'limits'>,
): ReadList {
  const headers = [...new Set(items.flatMap((item) => Object.keys(item)))];
  const columns = resolveColumns(headers, options);
  const batch: AudienceBatch = { rows: [], rejects: [] };
  for (const [index, item] of items.entries()) {
    const cells = headers.map((header) =>
      Object.hasOwn(item, header) ? String(item[header] ?? '') : '',
    );
    const read = readRow(cells, index + 1, columns, options);
    if (read.ok) batch.rows.push({ line: index + 1, ...read });
    else batch.rejects.push(read.reject);
  }
  return { columns, batch };
}

/** The body as a list, which the route has checked; null where it is a file. */
export async function listOf(c: AppContext): Promise<AudienceList | null> {
  return sendsJson(c) ? AudienceList.parse(await c.req.json()) : null;
}
