// Production entry: `node dist/start.js [api|worker]`; without a word, both in one process.
import { loadConfig, orExit, type Config } from './config';
import { createLogger, type Logger } from './telemetry';
import { collectProcessMetrics } from './telemetry/metrics';
import { startProbes } from './telemetry/probes';
import { scrape } from './telemetry/scrape';
import { switchOnTraces } from './telemetry/traces';
import type { RunningWorker } from './workers/main';

const PARTS = ['api', 'worker'] as const;

type Stop = () => Promise<unknown>;

async function main(): Promise<void> {
  const [word] = process.argv.slice(2);
  if (word !== undefined && !PARTS.some((part) => part === word)) {
    process.stderr.write(
      `"${word}" is not a part of Regente; say api, worker, or nothing for both.\n`,
    );
    process.exit(64);
  }
  const config = orExit(loadConfig);
  const logger = createLogger(config.LOG_LEVEL, 'regente');
  collectProcessMetrics();
  const endTraces = await startTraces(config, word, logger);
  if (config.NOTICE_PROVIDER === undefined)
    logger.warn('NOTICE_PROVIDER is not set: invitations and password resets are not sent');
  const stops: Stop[] = [];
  const stopping = new AbortController();
  const stop = async (code: number): Promise<void> => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    const ends = await Promise.allSettled(stops.map((each) => each()));
    const failures = ends.filter((end) => end.status === 'rejected');
    await endTraces();
    for (const { reason } of failures) logger.error({ err: reason }, 'a part did not stop cleanly');
    process.exit(failures.length === 0 ? code : 1);
  };
  // Once: a second signal ends the process at once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(0));

  // Each part is loaded only where it runs: it is most of a process's memory and of its start.
  if (word !== 'worker') {
    const { startApi } = await import('./api/server.js');
    const api = await startApi(config);
    const probes = await startProbes({
      host: config.HOST,
      port: config.METRICS_PORT,
      answers: { '/metrics': api.metrics },
    });
    logger.info({ metricsPort: probes.port }, 'metrics listening');
    stops.push(async () => {
      await api.stop(config.API_DRAIN_MS);
      await probes.stop();
    });
  }
  if (word !== 'api') {
    const worker = await runWorker(config, logger, stops, stopping.signal);
    worker?.ended.catch((error: unknown) => {
      logger.fatal({ err: error }, 'the worker failed');
      return stop(1);
    });
  }
}

/** Loads what makes traces only where somebody wants them. The answer sends those that are left. */
async function startTraces(
  { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers }: Config,
  part: string | undefined,
  logger: Logger,
): Promise<Stop> {
  if (endpoint === undefined) return () => Promise.resolve();
  const { createTracing } = await import('./telemetry/otlp.js');
  const service = part === undefined ? 'regente' : `regente-${part}`;
  return switchOnTraces(createTracing({ endpoint, headers, service, logger }));
}

/** Waits for the engine as long as it takes; its health can be asked for meanwhile. Nothing when told to stop first. */
async function runWorker(
  config: Config,
  logger: Logger,
  stops: Stop[],
  untilAborted: AbortSignal,
): Promise<RunningWorker | undefined> {
  const { startWorkerHealth } = await import('./workers/health.js');
  const { startWorker } = await import('./workers/main.js');
  let worker: RunningWorker | undefined;
  const health = await startWorkerHealth({
    host: config.HOST,
    port: config.WORKER_HEALTH_PORT,
    check: async () => worker?.check() ?? { engine: 'does not answer' },
    metrics: async () => worker?.metrics() ?? scrape(undefined),
    isDraining: () => untilAborted.aborted,
  });
  logger.info({ healthPort: health.port }, 'worker health listening');
  // Last of all: it says what is still going on.
  stops.push(async () => {
    await worker?.stop();
    await health.stop();
  });
  try {
    worker = await startWorker(config, undefined, { untilAborted });
  } catch (error) {
    if (untilAborted.aborted) return undefined;
    throw error;
  }
  logger.info({ healthPort: health.port }, 'worker polling');
  return worker;
}

main().catch((error: unknown) => {
  process.stderr.write(
    `Regente could not start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
});
