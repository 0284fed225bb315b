import { PrismaPg } from '@prisma/adapter-pg';
import { Pool, type PoolConfig } from 'pg';
import { PrismaClient } from './generated/client';
import { breakSilent, createPatience, KEEP_ALIVE, MARGIN_MS, type Patience } from './silence';

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

const GENERAL_STATEMENT_MS = 30_000;

/** Requests and jobs: long enough for a busy machine, short enough that a lost client frees its locks. */
const GENERAL_SETTINGS = settings({
  statement_timeout: GENERAL_STATEMENT_MS,
  idle_in_transaction_session_timeout: 10_000,
  client_connection_check_interval: 1_000,
});

/**
 * How long this side waits for an answer: longer than the server may take, so that what is asked again has mostly been
 * decided. A mark whose answer comes later has no lease left to call anybody with.
 */
const ANSWERS: AnswerLimits = { dispatchMs: 6_000, generalMs: GENERAL_STATEMENT_MS + MARGIN_MS };

export interface Database {
  /** For everything but the hot path; only `withTenant` turns it into something that queries accept. */
  readonly prisma: PrismaClient;
  /** For streams (COPY) and for the functions across tenants. */
  readonly pool: Pool;
  /** For the dispatch functions: one round trip a call, with tight time limits. */
  readonly dispatchPool: Pool;
  /** How long answers to `prisma` and `pool` are waited for. */
  readonly patience: Patience;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  maxConnections?: number;
  onIdleError?: (error: Error) => void;
  /** How long a connection may owe an answer before it is given up. */
  answers?: AnswerLimits;
}

export interface AnswerLimits {
  dispatchMs: number;
  generalMs: number;
}

/** Opens the pools; connects only when first used. */
export function openDatabase({
  url,
  maxConnections = 20,
  onIdleError,
  answers = ANSWERS,
}: DatabaseOptions): Database {
  const general: PoolConfig = {
    connectionString: url,
    max: maxConnections,
    options: GENERAL_SETTINGS,
    connectionTimeoutMillis: 5_000,
    ...KEEP_ALIVE,
  };
  const pool = new Pool(general);
  const prismaPool = new Pool(general);
  const dispatchPool = new Pool({ ...general, options: DISPATCH_SETTINGS });
  const pools = [pool, prismaPool, dispatchPool];
  // An idle connection that the server closes must not end the process; the next query gets a new one.
  for (const each of pools) each.on('error', (error) => onIdleError?.(error));
  const patience = createPatience(answers.generalMs);
  for (const each of [pool, prismaPool]) breakSilent(each, patience, answers.generalMs);
  breakSilent(dispatchPool, createPatience(answers.dispatchMs), answers.dispatchMs);
  const prisma = new PrismaClient({ adapter: new PrismaPg(prismaPool) });
  return {
    prisma,
    pool,
    dispatchPool,
    patience,
    async close() {
      await prisma.$disconnect();
      await Promise.all(pools.map((each) => each.end()));
    },
  };
}

function settings(values: Record<string, number | string>): string {
  return Object.entries(values)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}
