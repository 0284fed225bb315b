import { Worker, type Job } from 'bullmq';
import { Pool } from 'pg';
import { answerParent } from './child';
import { referenceAt } from './messages';
import { createVendorClient, type VendorAccount } from './vendor-client';

/** What a job carries: everything that the call needs, so that the row need not be read. */
export interface JobData {
  sourceId: string;
  position: number;
  address: string;
  nome: string;
  cost: string;
}

export type BullmqQuestion =
  | {
      kind: 'start';
      queue: string;
      redisPort: number;
      databaseUrl: string;
      budgetId: string;
      concurrency: number;
      account: VendorAccount;
    }
  | { kind: 'progress' };

export interface BullmqAnswer {
  /** Jobs that will not be tried again, whatever became of them. */
  ended: number;
  failed: number;
  /** Wall clock (epoch ms) of the last end. */
  lastAtMs: number;
}

/** More connections than that only queue up at the budget's row. */
const MAX_DATABASE_CONNECTIONS = 8;

const progress: BullmqAnswer = { ended: 0, failed: 0, lastAtMs: 0 };

answerParent(async (question: BullmqQuestion): Promise<BullmqAnswer> => {
  if (question.kind === 'start') await startWorker(question);
  return progress;
});

async function startWorker(options: BullmqQuestion & { kind: 'start' }): Promise<void> {
  const pool = new Pool({
    connectionString: options.databaseUrl,
    max: MAX_DATABASE_CONNECTIONS,
  });
  const vendor = createVendorClient(options.account);

  const deliver = async ({ data }: Job<JobData>): Promise<void> => {
    const { sourceId, position, address, nome, cost } = data;
    const paid = await pool.query({
      name: 'reserve',
      text: 'UPDATE bench.budgets SET used = used + $2 WHERE id = $1 AND used + $2 <= budget',
      values: [options.budgetId, cost],
    });
    if (paid.rowCount === 0) throw new Error('The budget is exhausted.');
    const providerId = await vendor.send({
      reference: referenceAt(sourceId, position),
      address,
      nome,
    });
    await pool.query({
      name: 'sent',
      text: `UPDATE bench.communications SET state = 'sent', provider_message_id = $3, cost = $4,
          sent_at = clock_timestamp(), settled_at = clock_timestamp()
        WHERE source_id = $1 AND position = $2`,
      values: [sourceId, position, providerId, cost],
    });
  };

  const worker = new Worker<JobData>(options.queue, deliver, {
    connection: { host: '127.0.0.1', port: options.redisPort, maxRetriesPerRequest: null },
    concurrency: options.concurrency,
  });
  const end = (): void => {
    progress.ended += 1;
    progress.lastAtMs = Date.now();
  };
  worker.on('completed', end);
  worker.on('failed', (job) => {
    if (job !== undefined && job.attemptsMade < (job.opts.attempts ?? 1)) return;
    progress.failed += 1;
    end();
  });
  worker.on('error', (error) => console.error(`BullMQ: ${error.message}`));
  await worker.waitUntilReady();
}
