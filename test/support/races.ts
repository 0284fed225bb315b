import { randomBytes, randomUUID } from 'node:crypto';
import { Client, type Pool } from 'pg';
import type { ExecutionVerb } from '../../domain/campaigns';
import { transitionExecution, type TransitionResult } from '../../prisma/campaign-executions';
import type { Database } from '../../prisma/client';
import { claimBatch, type ClaimResult, type ExecutionRef } from '../../prisma/dispatch/batches';
import {
  markPeople,
  settlePeople,
  type HeldBatch,
  type MarkInput,
  type MarkResult,
  type SettleInput,
  type SettleResult,
  type Settlement,
} from '../../prisma/dispatch/messages';
import { createEncryption } from '../../prisma/encryption';
import { withTenant } from '../../prisma/tenant';
import { createTestDatabase, query, type TestDatabase } from './database';
import {
  createScene,
  openTestExecution,
  type ExecutionSpec,
  type Scene,
  type Stage,
} from './executions';
import { until } from './until';

/** A database with nobody at work in it: what happens is what the test calls. */
export type Field = TestDatabase & Stage;

export async function createField(): Promise<Field> {
  const database = await createTestDatabase();
  const encryption = createEncryption([randomBytes(32)]);
  return { ...database, encryption, sandbox: { url: 'http://127.0.0.1:1' } };
}

export interface Race extends ExecutionRef {
  scene: Scene;
}

/** An execution in PROCESSING, in a company of its own unless a scene is given. One lane of 100 people a batch. */
export async function startRace(field: Field, spec: ExecutionSpec, scene?: Scene): Promise<Race> {
  const stands = scene ?? (await createScene(field));
  const executionId = await openTestExecution(field, stands, { lanes: 1, ...spec });
  const race = { companyId: stands.companyId, executionId, scene: stands };
  await move(field.db, race, 'start');
  return race;
}

/** A state change, as the API and the dispatch make it. */
export async function move(
  db: Database,
  { companyId, executionId }: ExecutionRef,
  verb: ExecutionVerb,
  expectedVersion?: number,
): Promise<TransitionResult> {
  const version = expectedVersion === undefined ? {} : { expectedVersion };
  return withTenant(db, companyId, (tx) =>
    transitionExecution(tx, { executionId, verb, ...version }),
  );
}

export type Claimed = Extract<ClaimResult, { outcome: 'claimed' }>;
export type Marked = Extract<MarkResult, { outcome: 'marked' }>;

/** Claims, and expects to get a batch. */
export async function claim(db: Database, race: Race, lane = 0): Promise<Claimed & HeldBatch> {
  const claimed = await claimBatch(db, race, lane, 0);
  if (claimed.outcome !== 'claimed') throw new Error(`nothing to claim: ${claimed.outcome}`);
  const { companyId, executionId } = race;
  return { ...claimed, companyId, executionId };
}

export const markInput = (over: Partial<MarkInput> = {}): MarkInput => ({
  markId: randomUUID(),
  limit: 1_000,
  leaseMs: 2_000,
  credentialVersion: 1,
  closedZones: [],
  badRow: false,
  ...over,
});

/** Marks, and expects that the database has let it. */
export async function mark(
  db: Database,
  batch: HeldBatch,
  over: Partial<MarkInput> = {},
): Promise<Marked & { markId: string; positions: number[] }> {
  const input = markInput(over);
  const marked = await markPeople(db, batch, input);
  if (marked.outcome !== 'marked') throw new Error(`nothing marked: ${marked.outcome}`);
  const positions = marked.people.map(({ position }) => position);
  return { ...marked, markId: input.markId, positions };
}

/** Settles these positions all alike, or as the settlements say. */
export function settle(
  db: Database,
  batch: HeldBatch,
  markId: string | null,
  settlements: readonly Settlement[],
  over: Partial<SettleInput> = {},
): Promise<SettleResult> {
  return settlePeople(db, batch, {
    markId,
    graceMs: 0,
    durable: true,
    keepIds: true,
    settlements,
    ...over,
  });
}

export const accepted = (position: number, suffix = ''): Settlement => ({
  position,
  outcome: 'sent',
  providerId: `vendor-${position}${suffix}`,
});

/** One connection of the application with a transaction open: what is called on `db` is not committed until asked for. */
export interface Held {
  db: Database;
  pid: number;
  client: Client;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export async function hold(field: Field): Promise<Held> {
  const client = new Client({ connectionString: field.appUrl });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const finish = async (statement: string): Promise<void> => {
    await client.query(statement);
    await client.end();
  };
  return {
    // The dispatch calls its functions by `query` alone, which a connection has as well as a pool.
    db: { ...field.db, dispatchPool: client as unknown as Pool },
    pid: rows[0]!.pid,
    client,
    commit: () => finish('COMMIT'),
    rollback: () => finish('ROLLBACK'),
  };
}

/** Waits until so many connections wait for a lock that this one holds. */
export async function untilBlockedBy(
  field: Field,
  { pid }: Pick<Held, 'pid'>,
  waiters = 1,
): Promise<void> {
  await until(`${waiters} wait for connection ${pid}`, async () => {
    const rows = await query(
      field.adminUrl,
      'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))',
      [pid],
    );
    return rows.length >= waiters;
  });
}

/** Rows of one execution's ledger, by position. */
export async function ledger(field: Field, race: ExecutionRef): Promise<Record<string, unknown>[]> {
  return query(
    field.adminUrl,
    'SELECT *, cost::float8 AS cost FROM communications WHERE source_id = $1 ORDER BY position',
    [race.executionId],
  );
}

export async function statesOf(field: Field, race: ExecutionRef): Promise<unknown[]> {
  return (await ledger(field, race)).map(({ state }) => state);
}

export async function budgetOf(
  field: Field,
  { budgetId }: Scene,
): Promise<{ budget: number; used: number; reserved: number }> {
  const [row] = await query<{ budget: number; used: number; reserved: number }>(
    field.adminUrl,
    'SELECT budget::float8, used::float8, reserved::float8 FROM budgets WHERE id = $1',
    [budgetId],
  );
  return row!;
}
