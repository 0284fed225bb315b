import type { QueryResultRow } from 'pg';
import type { Database } from '../client';
import { fromDatabase } from '../errors';

/**
 * Calls one dispatch function: one statement, one round trip, prepared once per connection. The function sets the
 * tenant itself from its first argument.
 */
export async function callDispatch<T extends QueryResultRow>(
  db: Database,
  name: string,
  args: readonly unknown[],
  casts: readonly string[] = [],
): Promise<T> {
  const parameters = args
    .map((_, i) => (casts[i] === undefined ? `$${i + 1}` : `$${i + 1}::${casts[i]}`))
    .join(', ');
  try {
    const { rows } = await db.dispatchPool.query<T>({
      name: `${name}/${args.length}`,
      text: `SELECT * FROM ${name}(${parameters})`,
      values: [...args],
    });
    const [row] = rows;
    if (row === undefined) throw new Error(`${name} answered no row`);
    return row;
  } catch (error) {
    throw fromDatabase(error);
  }
}
