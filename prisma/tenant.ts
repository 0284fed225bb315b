import type { PoolClient } from 'pg';
import type { Database } from './client';
import { fromDatabase } from './errors';
import type { Prisma } from './generated/client';

declare const tenant: unique symbol;

/** A transaction in which PostgreSQL shows one company only. Only `withTenant` makes one, and queries take nothing else. */
export type TenantTx = Prisma.TransactionClient & { readonly [tenant]: string };

/** The same as a plain connection, for COPY and for functions with many parameters. */
export type TenantConnection = PoolClient & { readonly [tenant]: string };

export interface TenantOptions {
  /** For work on whole audiences: how long the transaction may take. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;

/**
 * Runs `work` in one transaction that sees the rows of this company only (row-level security).
 * Throws RegenteError for what the database refuses (CONFLICT, NOT_FOUND) or cannot do now (UNAVAILABLE).
 */
export async function withTenant<T>(
  db: Database,
  companyId: string,
  work: (tx: TenantTx) => Promise<T>,
  options: TenantOptions = {},
): Promise<T> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  try {
    return await db.patience.during(options.timeoutMs, () =>
      db.prisma.$transaction(
        async (tx) => {
          await tx.$executeRaw`SELECT set_config('app.company_id', ${companyId}, true)`;
          // A connection's own limit is shorter than work on a whole audience takes.
          if (timeoutMs > DEFAULT_TIMEOUT_MS)
            await tx.$executeRaw`SELECT set_config('statement_timeout', ${String(timeoutMs)}, true)`;
          return work(tx as TenantTx);
        },
        { timeout: timeoutMs, maxWait: 10_000 },
      ),
    );
  } catch (error) {
    throw fromDatabase(error);
  }
}

/** `withTenant` on a plain connection; `work` must not keep the connection. */
export async function withTenantConnection<T>(
  db: Database,
  companyId: string,
  work: (connection: TenantConnection) => Promise<T>,
  options: TenantOptions = {},
): Promise<T> {
  return db.patience.during(options.timeoutMs, () =>
    onConnection(db, companyId, work, options.timeoutMs),
  );
}

async function onConnection<T>(
  db: Database,
  companyId: string,
  work: (connection: TenantConnection) => Promise<T>,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<T> {
  let connection: PoolClient | undefined;
  try {
    connection = await db.pool.connect();
    // A server that goes away between two queries says so here; the next query then fails with it.
    connection.on('error', ignore);
    await connection.query('BEGIN');
    await connection.query(
      `SELECT set_config('app.company_id', $1, true), set_config('statement_timeout', $2, true)`,
      [companyId, String(timeoutMs)],
    );
    const result = await work(connection as TenantConnection);
    await connection.query('COMMIT');
    connection.off('error', ignore);
    connection.release();
    return result;
  } catch (error) {
    // The connection is thrown away: after a broken stream its state is not known.
    connection?.release(true);
    throw fromDatabase(error);
  }
}

const ignore = (): void => {};

/**
 * Asks one of the functions that look across companies. Outside of any tenant, so that a table shows nothing here.
 * Throws RegenteError for what the database cannot do now (UNAVAILABLE).
 */
export async function queryAcross<Row extends object>(
  db: Database,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return (await db.pool.query<Row>(sql, [...values])).rows;
  } catch (error) {
    throw fromDatabase(error);
  }
}
