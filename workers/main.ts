import { Client } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index';
import { createFairShare } from '../activities/fair-share';
import { createProviderAccounts } from '../activities/provider-accounts';
import { createEngineLook } from '../api/engine-look';
import { createRelay, type Relay } from '../api/relay';
import { traceHeaders } from '../api/trace-headers';
import type { Config } from '../config';
import { openDatabase, type Database } from '../prisma/client';
import { applyDueEvents } from '../prisma/delivery-events';
import { createEncryption } from '../prisma/encryption';
import { runUpkeep } from '../prisma/upkeep';
import { createLogger, type Logger } from '../telemetry';
import { connectEngine } from './connect';
import { scrape } from '../telemetry/scrape';
import type { ProbeAnswer } from '../telemetry/probes';
import { checkParts, type Checks } from './health';
import { startLoop, type Loop } from './loops';
import { createNoticeProvider } from './notice-provider';
import { engineMetrics, installMeteredRuntime } from './runtime';
import { ensureSearchAttributes } from './search-attributes';
import { createWorkers } from './worker';

export interface RunningWorker {
  /** SIGTERM's work: micro-batches end, the rest goes back, loops and pools close. */
  stop(): Promise<void>;
  /** Settles when the workers have ended, by `stop` or by a failure. */
  ended: Promise<void>;
  /** Whether it can work right now, part by part. */
  check(): Promise<Checks>;
  /** What `/metrics` answers. */
  metrics(): Promise<ProbeAnswer>;
}

const RELAY_MS = 250;
const RECONCILE_MS = 30_000;
const EVENTS_MS = 200;
const EVENTS_PER_ROUND = 1_000;
const UPKEEP_MS = 3_600_000;
const TURN_MS = 10_000;
/** Of a process: enough that database, vendor and this thread all have work, and more only makes each wait longer. */
const MICRO_BATCHES_AT_ONCE = 8;

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
  await installMeteredRuntime(logger);
  const db = openDatabase({
    url: config.DATABASE_URL,
    maxConnections: config.DATABASE_MAX_CONNECTIONS,
    onIdleError: (error) => logger.warn({ err: error }, 'a database connection ended'),
  });
  const stopping = new AbortController();
  const { deps, closeProviders } = createDeps(config, db, logger, stopping.signal);
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = config;
  const engine = await connectEngine({ address, namespace, logger, ...options });
  const client = new Client({
    connection: engine.connection,
    namespace,
    interceptors: { workflow: [traceHeaders] },
  });
  const workers = await createWorkers({ connection: engine.native, namespace, deps });
  const look = createEngineLook(() => Promise.resolve(engine.connection));
  const relay = createRelay({ db, client, logger });
  const loops = startLoops(
    db,
    relay,
    () => ensureSearchAttributes(engine.connection, namespace),
    logger,
  );
  const ended = Promise.all(workers.map((worker) => worker.run())).then(() => undefined);
  return {
    ended,
    check: () => checkParts(db, look),
    metrics: () => scrape(db, engineMetrics),
    async stop() {
      stopping.abort();
      // First of all: a turn that ends early must not be followed by another one here.
      for (const worker of workers) shutDown(worker);
      await Promise.all(loops.map((loop) => loop.stop()));
      await ended.catch((error: unknown) =>
        logger.error({ err: error }, 'a worker ended with an error'),
      );
      await look.end();
      await Promise.all([engine.close(), closeProviders()]);
      await db.close();
    },
  };
}

/** What the activities of a process share, and how the connections to vendors among it are closed. */
function createDeps(
  config: Config,
  db: Database,
  logger: Logger,
  stopping: AbortSignal,
): { deps: ActivityDeps; closeProviders: () => Promise<void> } {
  const encryption = createEncryption(config.ENCRYPTION_KEY);
  const accounts = createProviderAccounts({ db, encryption });
  const mail = createNoticeProvider(config);
  const settings = {
    leaseMs: config.DISPATCH_LEASE_MS,
    microBatch: config.DISPATCH_MICRO_BATCH,
    providerTimeoutMs: config.PROVIDER_TIMEOUT_MS,
    turnMs: TURN_MS,
  };
  const share = createFairShare(MICRO_BATCHES_AT_ONCE * settings.microBatch);
  return {
    deps: {
      dispatch: { db, accounts, share, settings, logger, isStopping: () => stopping.aborted },
      notices: {
        db,
        encryption,
        logger,
        openProvider: mail.open,
        publicUrl: config.PUBLIC_URL,
        fromName: config.NOTICE_FROM_NAME,
      },
    },
    closeProviders: async () => void (await Promise.all([accounts.close(), mail.close()])),
  };
}

/** What is left after less than a full round may gather: a few events at a time cost several times what many do. */
async function applyFullRounds(db: Database): Promise<number> {
  const { picked, isFull } = await applyDueEvents(db, EVENTS_PER_ROUND);
  return isFull ? picked : 0;
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

/** What goes on beside the workflows: telling the engine, applying delivery events, keeping the tables in order. */
function startLoops(
  db: Database,
  relay: Relay,
  prepareNamespace: () => Promise<void>,
  logger: Logger,
): Loop[] {
  // An engine that was lost and comes back empty knows none of the attributes that the workflows set.
  const reconcile = async (): Promise<number> => {
    await prepareNamespace();
    await relay.reconcile();
    return 0;
  };
  const rounds: [name: string, everyMs: number, work: () => Promise<number>][] = [
    ['relay', RELAY_MS, () => relay.run()],
    ['reconcile', RECONCILE_MS, reconcile],
    ['events', EVENTS_MS, () => applyFullRounds(db)],
    ['upkeep', UPKEEP_MS, () => runUpkeep(db).then(() => 0)],
  ];
  return rounds.map(([name, everyMs, work]) => startLoop({ name, everyMs, work, logger }));
}
