import { PrismaPg } from '@prisma/adapter-pg';
import { Pool, type PoolConfig } from 'pg';
import { PrismaClient } from './generated/client';

/**
 * How long a connection of the application may hold anything: all shorter than the lease of a mark, so that a
 * process frozen inside a transaction lets go before its marks can be taken for dead (ARCHITECTURE.md, After a crash).
 */
const DISPATCH_SETTINGS = settings({
  statement_timeout: 3_000,
  transaction_timeout: 3_000,
  idle_in_transaction_session_timeout: 1_000,
  client_connection_check_interval: 1_000,
  // Every statement of the dispatch is a look-up by key. Its plans are cached per connection, often while a ledger
  // partition is still empty, and would otherwise scan it whole for as long as the connection lives.
  enable_seqscan: 'off',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
});

/** Requests and jobs: long enough for a busy machine, short enough that a lost client frees its locks. */
const GENERAL_SETTINGS = settings({
  statement_timeout: 30_000,
  idle_in_transaction_session_timeout: 10_000,
  client_connection_check_interval: 1_000,
});

export interface Database {
  /** For everything but the hot path; only `withTenant` turns it into something that queries accept. */
  readonly prisma: PrismaClient;
  /** For streams (COPY) and for the functions across tenants. */
  readonly pool: Pool;
  /** For the dispatch functions: one round trip a call, with tight time limits. */
  readonly dispatchPool: Pool;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  maxConnections?: number;
  onIdleError?: (error: Error) => void;
}

/** Opens the pools; connects only when first used. */
export function openDatabase({ url, maxConnections = 20, onIdleError }: DatabaseOptions): Database {
  const general: PoolConfig = {
    connectionString: url,
    max: maxConnections,
    options: GENERAL_SETTINGS,
    connectionTimeoutMillis: 5_000,
  };
  const pool = new Pool(general);
  const dispatchPool = new Pool({ ...general, options: DISPATCH_SETTINGS });
  // An idle connection that the server closes must not end the process; the next query gets a new one.
  for (const each of [pool, dispatchPool]) each.on('error', (error) => onIdleError?.(error));
  const prisma = new PrismaClient({
    adapter: new PrismaPg(general, { onPoolError: (error) => onIdleError?.(error) }),
  });
  return {
    prisma,
    pool,
    dispatchPool,
    async close() {
      await Promise.all([prisma.$disconnect(), pool.end(), dispatchPool.end()]);
    },
  };
}

function settings(values: Record<string, number | string>): string {
  return Object.entries(values)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}
