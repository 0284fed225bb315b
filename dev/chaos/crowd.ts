import { Client } from 'pg';
import type { Installation } from './installation';
import { until } from './until';

/** Connections that leave none for the application. */
export interface Crowd {
  leave(): Promise<void>;
}

const APP = `SELECT pid FROM pg_stat_activity WHERE usename = 'regente_app'`;

/** Takes every connection that PostgreSQL has and ends those of the application, until it has none. */
export async function crowdOut({ adminUrl }: Installation): Promise<Crowd> {
  const crowd: Client[] = [];
  const join = async (): Promise<boolean> => {
    const client = new Client({ connectionString: adminUrl });
    client.on('error', () => undefined);
    return client.connect().then(
      () => crowd.push(client) > 0,
      () => false,
    );
  };
  const leave = async (): Promise<void> => {
    await Promise.all(crowd.splice(0).map((each) => each.end().catch(() => undefined)));
  };
  try {
    await join();
    const [first] = crowd;
    if (first === undefined) throw new Error('PostgreSQL takes no connection.');
    await until('the application has no connection left', async () => {
      while (await join());
      const { rowCount } = await first.query(
        `SELECT pg_terminate_backend(pid) FROM (${APP}) AS app`,
      );
      return rowCount === 0;
    });
  } catch (error) {
    await leave();
    throw error;
  }
  return { leave };
}
