// Production entry: `node dist/start.js [api|worker]`; without a word, both in one process.
import { loadConfigOrExit } from './config';
import { startApi } from './api/server';
import { startWorker } from './workers/main';
import { createLogger } from './telemetry';

const PARTS = ['api', 'worker'] as const;

async function main(): Promise<void> {
  const config = loadConfigOrExit();
  const logger = createLogger(config.LOG_LEVEL, 'regente');
  const [word] = process.argv.slice(2);
  if (word !== undefined && !PARTS.some((part) => part === word)) {
    process.stderr.write(
      `"${word}" is not a part of Regente; say api, worker, or nothing for both.\n`,
    );
    process.exit(64);
  }
  const stops: (() => Promise<void>)[] = [];
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await Promise.all(stops.map((each) => each()));
    process.exit(code);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(0));

  if (word !== 'worker') stops.push((await startApi(config)).stop);
  if (word !== 'api') {
    const worker = await startWorker(config);
    stops.push(worker.stop);
    worker.ended.catch((error: unknown) => {
      logger.fatal({ err: error }, 'the worker failed');
      return stop(1);
    });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(
    `Regente could not start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
});
