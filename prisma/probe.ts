import type { QueryConfig, QueryResultRow } from 'pg';
import type { Database } from './client';

/**
 * How long a health check looks at one part; it looks at all of them at once. Kubernetes, like others, takes a process
 * for gone that has not answered a probe within a second.
 */
export const LOOK_WITHIN_MS = 700;

/**
 * A look of a health check: rejects after `LOOK_WITHIN_MS`, also where the database takes connections and says nothing.
 * The connection that fell silent is thrown away, so that looks do not fill the pool.
 */
export async function probe<Row extends QueryResultRow>(db: Database, sql: string): Promise<Row[]> {
  const limit = AbortSignal.timeout(LOOK_WITHIN_MS);
  // The driver's own limit begins only once there is a connection.
  const tooLate = new Promise<never>((_, reject) => {
    limit.addEventListener('abort', () => reject(limit.reason));
  });
  const query: QueryConfig & { query_timeout: number } = {
    text: sql,
    query_timeout: LOOK_WITHIN_MS,
  };
  const asked = db.pool.query<Row>(query);
  return (await Promise.race([asked, tooLate])).rows;
}
