import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

const EVERY_MS = 500;

/** What the workers of a bench call themselves to PostgreSQL. */
export const WORKER_NAME = 'regente-worker';

/** Connections to PostgreSQL that were open at once. */
export interface ConnectionPeaks {
  /** Of all workers together. */
  workers: number;
  /** Of the engine, to its own databases. */
  engine: number;
}

export interface ConnectionWatch {
  stop(): Promise<ConnectionPeaks>;
}

/** Counts connections every half second, by one of its own that is not counted. */
export async function watchConnections(
  adminUrl: string,
  engineDatabases: readonly string[],
): Promise<ConnectionWatch> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  const peaks: ConnectionPeaks = { workers: 0, engine: 0 };
  const ended = new AbortController();
  const watch = async (): Promise<void> => {
    do {
      const { rows } = await client.query<ConnectionPeaks>(
        `SELECT count(*) FILTER (WHERE application_name = $1)::int AS workers,
           count(*) FILTER (WHERE datname = ANY ($2::name[]))::int AS engine
         FROM pg_stat_activity WHERE backend_type = 'client backend'`,
        [WORKER_NAME, engineDatabases],
      );
      peaks.workers = Math.max(peaks.workers, rows[0]?.workers ?? 0);
      peaks.engine = Math.max(peaks.engine, rows[0]?.engine ?? 0);
      await delay(EVERY_MS, undefined, { signal: ended.signal }).catch(() => {});
    } while (!ended.signal.aborted);
  };
  const watching = watch();
  // Heard by whoever stops it.
  watching.catch(() => {});
  return {
    stop: async () => {
      ended.abort();
      try {
        await watching;
      } finally {
        await client.end();
      }
      return peaks;
    },
  };
}
