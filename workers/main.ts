import { Client } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import { createProviderAccounts } from '../activities/provider-accounts';
import { createRelay } from '../api/relay';
import type { Config } from '../config';
import { openDatabase } from '../prisma/client';
import { applyDueEvents } from '../prisma/delivery-events';
import { createEncryption } from '../prisma/encryption';
import { runUpkeep } from '../prisma/upkeep';
import { createLogger, type Logger } from '../telemetry';
import { connectEngine } from './connect';
import { startLoop, type Loop } from './loops';
import { installRuntime } from './runtime';
import { createWorkers } from './worker';

export interface RunningWorker {
  /** SIGTERM's work: micro-batches end, the rest goes back, loops and pools close. */
  stop(): Promise<void>;
  /** Settles when the workers have ended, by `stop` or by a failure. */
  ended: Promise<void>;
  /** Whether every worker polls. */
  isRunning(): boolean;
}

const RELAY_MS = 250;
const RECONCILE_MS = 30_000;
const EVENTS_MS = 200;
const EVENTS_PER_ROUND = 1_000;
const UPKEEP_MS = 3_600_000;
const TURN_MS = 10_000;

export interface StartOptions {
  /** Waits for the engine until this says to stop; left out, an engine that does not answer is an error. */
  untilAborted?: AbortSignal;
}

/** Starts the workers and the background rounds of a process. */
export async function startWorker(
  config: Config,
  logger: Logger = createLogger(config.LOG_LEVEL, 'worker'),
  options: StartOptions = {},
): Promise<RunningWorker> {
  installRuntime(logger);
  const db = openDatabase({
    url: config.DATABASE_URL,
    maxConnections: config.DATABASE_MAX_CONNECTIONS,
    onIdleError: (error) => logger.warn({ err: error }, 'a database connection ended'),
  });
  const accounts = createProviderAccounts({
    db,
    encryption: createEncryption(config.ENCRYPTION_KEY),
  });
  const settings = {
    leaseMs: config.DISPATCH_LEASE_MS,
    microBatch: config.DISPATCH_MICRO_BATCH,
    providerTimeoutMs: config.PROVIDER_TIMEOUT_MS,
    turnMs: TURN_MS,
  };
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = config;
  const engine = await connectEngine({ address, namespace, logger, ...options });
  const client = new Client({ connection: engine.connection, namespace });
  const workers = await createWorkers({
    connection: engine.native,
    namespace,
    deps: { db, accounts, settings, logger },
  });
  const relay = createRelay({ db, client, logger });
  const loops: Loop[] = [
    startLoop({ name: 'relay', everyMs: RELAY_MS, work: () => relay.run(), logger }),
    startLoop({
      name: 'reconcile',
      everyMs: RECONCILE_MS,
      work: () => relay.reconcile().then(() => 0),
      logger,
    }),
    startLoop({
      name: 'events',
      everyMs: EVENTS_MS,
      work: () => applyDueEvents(db, EVENTS_PER_ROUND),
      logger,
    }),
    startLoop({
      name: 'upkeep',
      everyMs: UPKEEP_MS,
      work: () => runUpkeep(db).then(() => 0),
      logger,
    }),
  ];
  const ended = Promise.all(workers.map((worker) => worker.run())).then(() => undefined);
  return {
    ended,
    isRunning: () => workers.every((worker) => worker.getState() === 'RUNNING'),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      for (const worker of workers) shutDown(worker);
      await ended.catch((error: unknown) =>
        logger.error({ err: error }, 'a worker ended with an error'),
      );
      await Promise.all([engine.close(), accounts.close()]);
      await db.close();
    },
  };
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}
