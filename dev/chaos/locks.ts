import { Client } from 'pg';
import { until } from './until';

/** A lock that the chaos holds in PostgreSQL, so that a worker stops at a step of its own. */
export interface HeldLock {
  /** Waits until a process of ours waits in a statement with this word in it; answers the name of the process. */
  waiter(part: 'api' | 'worker', word: string, withinMs?: number): Promise<string>;
  /** Lets go on whoever waits, and takes it again behind them at once: they do this step, and wait at their next. */
  retake(): Promise<void>;
  /** Ends the transaction: whoever waits goes on. */
  release(): Promise<void>;
}

const WAITER = `
  SELECT application_name AS name FROM pg_stat_activity
  WHERE state = 'active' AND wait_event_type = 'Lock' AND starts_with(application_name, $1) AND position($2 IN query) > 0`;
/** A statement of the dispatch waits three seconds at most and is then tried again. */
const WAITER_WITHIN_MS = 60_000;

/** Takes what the statement takes, as the superuser, and keeps it until `release`. */
export async function holdLock(
  adminUrl: string,
  statement: string,
  values: readonly unknown[],
): Promise<HeldLock> {
  const holder = new Client({ connectionString: adminUrl });
  holder.on('error', () => undefined);
  await holder.connect();
  try {
    await holder.query('BEGIN');
    await holder.query(statement, [...values]);
  } catch (error) {
    await holder.end();
    throw error;
  }
  return {
    async waiter(part, word, withinMs = WAITER_WITHIN_MS) {
      let name: string | undefined;
      await until(
        `the ${part} waits in ${word}`,
        async () => {
          // Inside a transaction the activity is read once, unless it is told to forget.
          await holder.query('SELECT pg_stat_clear_snapshot()');
          name = (await holder.query<{ name: string }>(WAITER, [`${part}-`, word])).rows[0]?.name;
          return name !== undefined;
        },
        withinMs,
      );
      return name ?? '';
    },
    async retake() {
      const literal = (_: string, at: string): string => {
        const value = values[Number(at) - 1];
        return holder.escapeLiteral(Array.isArray(value) ? `{${value.join()}}` : String(value));
      };
      // In one message: between two of them everybody would do the next step too.
      await holder.query(`ROLLBACK; BEGIN; ${statement.replaceAll(/\$(\d)/g, literal)}`);
    },
    async release() {
      await holder.query('ROLLBACK').catch(() => undefined);
      await holder.end();
    },
  };
}
