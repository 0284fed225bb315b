import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { Client } from 'pg';
import type { BullmqAnswer, BullmqQuestion, JobData } from './bullmq-process';
import { startChild, type Child } from './child';
import type { Contender, Run } from './contender';
import { PERSON_SQL, personAt } from './messages';
import { startRedis } from './redis';
import { PRICE, type Stage } from './stage';
import type { VendorAccount } from './vendor-client';

const JOBS_A_CALL = 1_000;
const ROWS_A_STATEMENT = 100_000;

/** What a good team writes without an engine: a job for each message, its own worker processes, rows in PostgreSQL. */
export function bullmq(stage: Stage, account: VendorAccount, processes: number): Contender {
  return {
    name: 'BullMQ',
    async start() {
      const name = `messages-${randomUUID()}`;
      const { admin } = stage;
      const budgetId = await prepareTables(admin);
      const redis = await startRedis(stage.dir, stage.durable);
      const connection = { host: '127.0.0.1', port: redis.port };
      const queue = new Queue<JobData>(name, { connection });
      const children = Array.from({ length: processes }, () =>
        startChild<BullmqQuestion, BullmqAnswer>(require.resolve('./bullmq-process')),
      );
      const stop = async (): Promise<void> => {
        await Promise.all(children.map((child) => child.stop()));
        await queue.close();
        await redis.stop();
      };
      try {
        const question: BullmqQuestion = {
          kind: 'start',
          queue: name,
          redisPort: redis.port,
          databaseUrl: stage.adminUrl,
          budgetId,
          // As many calls at a time as there are connections; from 16 to 256 the speed was the same on two cores.
          concurrency: account.connections,
          account,
        };
        await Promise.all(children.map((child) => child.ask(question)));
      } catch (error) {
        await stop();
        throw error;
      }
      return { run: (recipients) => run({ admin, queue, children, recipients }), stop };
    },
  };
}

/** Plain tables with the columns of the ledger and of the budgets: no policies, no partitions. */
async function prepareTables(admin: Client): Promise<string> {
  await admin.query(`
    CREATE SCHEMA IF NOT EXISTS bench;
    CREATE TABLE IF NOT EXISTS bench.communications (LIKE public.communications INCLUDING DEFAULTS,
      PRIMARY KEY (source_id, position)) WITH (fillfactor = 70);
    CREATE TABLE IF NOT EXISTS bench.budgets (LIKE public.budgets INCLUDING DEFAULTS, PRIMARY KEY (id)) WITH (fillfactor = 50)`);
  const id = randomUUID();
  await admin.query(
    `INSERT INTO bench.budgets (id, company_id, wallet_id, year, month, budget) VALUES ($1, $1, $1, 2026, 1, 1e9)`,
    [id],
  );
  return id;
}

interface RunInput {
  admin: Client;
  queue: Queue<JobData>;
  children: readonly Child<BullmqQuestion, BullmqAnswer>[];
  recipients: number;
}

/** The clock starts with the first jobs, for which the workers are waiting, and ends with the last job. */
async function run({ admin, queue, children, recipients }: RunInput): Promise<Run> {
  const sourceId = randomUUID();
  await insertRows(admin, sourceId, recipients);
  await admin.query('CHECKPOINT');
  const before = await progressOf(children);
  const beganMs = Date.now();
  for (let from = 0; from < recipients; from += JOBS_A_CALL) {
    const count = Math.min(JOBS_A_CALL, recipients - from);
    await queue.addBulk(Array.from({ length: count }, (_, i) => jobAt(sourceId, from + i)));
  }
  let now = before;
  while (now.ended - before.ended < recipients) {
    await delay(50);
    now = await progressOf(children);
  }
  return { elapsedMs: now.lastAtMs - beganMs, ...(await countRows(admin, sourceId, recipients)) };
}

function jobAt(sourceId: string, position: number) {
  return {
    name: 'send',
    data: { sourceId, position, ...personAt(position), cost: PRICE },
    opts: {
      jobId: `${sourceId}-${position}`,
      attempts: 3,
      backoff: { type: 'exponential', delay: 1_000 },
      removeOnComplete: true,
      removeOnFail: 1_000,
    },
  };
}

async function insertRows(admin: Client, sourceId: string, recipients: number): Promise<void> {
  for (let from = 0; from < recipients; from += ROWS_A_STATEMENT) {
    await admin.query(
      `INSERT INTO bench.communications (company_id, ledger_month, source_id, position, channel, source_kind, state, address, cost)
       SELECT $1::uuid, date_trunc('month', now()), $1::uuid, p, 'sms', 'campaign', 'queued', ${PERSON_SQL.address}, $4::numeric
         FROM generate_series($2::int, $3::int) p`,
      [sourceId, from, Math.min(from + ROWS_A_STATEMENT, recipients) - 1, PRICE],
    );
  }
  await admin.query('VACUUM (ANALYZE) bench.communications');
}

async function countRows(
  admin: Client,
  sourceId: string,
  recipients: number,
): Promise<{ lost: number; duplicated: number }> {
  const { rows } = await admin.query<{ sent: number }>(
    `SELECT count(*)::int AS sent FROM bench.communications
      WHERE source_id = $1 AND state = 'sent' AND provider_message_id IS NOT NULL`,
    [sourceId],
  );
  return { lost: recipients - (rows[0]?.sent ?? 0), duplicated: 0 };
}

async function progressOf(
  children: readonly Child<BullmqQuestion, BullmqAnswer>[],
): Promise<{ ended: number; lastAtMs: number }> {
  const answers = await Promise.all(children.map((child) => child.ask({ kind: 'progress' })));
  return {
    ended: answers.reduce((sum, answer) => sum + answer.ended, 0),
    lastAtMs: Math.max(...answers.map((answer) => answer.lastAtMs)),
  };
}
