import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  type LogEntry,
} from '@temporalio/worker';
import type { Logger } from '../telemetry';

const ANSWER_WITHIN_MS = 2_000;
const LOOPBACK = '127.0.0.1';
const PORT_TRIES = 5;

let installed = false;
/** Where the engine's client answers its metrics, for this process alone. */
let metricsUrl: string | undefined;

/**
 * Sends the engine's own log lines through ours, and leaves signals to the entry file. A process has one runtime, so
 * only the first call counts. With `metricsPort` it answers its metrics there, on the loopback address.
 */
export function installRuntime(logger: Logger, metricsPort?: number): DefaultLogger {
  const engineLogger = new DefaultLogger('INFO', (entry) => write(logger, entry));
  if (!installed) {
    // Without `forward` the native part writes its own lines, not JSON, to the console.
    const filter = makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' });
    const prometheus = {
      bindAddress: `${LOOPBACK}:${metricsPort}`,
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
    };
    const telemetryOptions = {
      logging: { forward: {}, filter },
      ...(metricsPort === undefined ? {} : { metrics: { prometheus } }),
    };
    Runtime.install({ logger: engineLogger, shutdownSignals: [], telemetryOptions });
    if (metricsPort !== undefined) metricsUrl = `http://${LOOPBACK}:${metricsPort}/metrics`;
  }
  installed = true;
  return engineLogger;
}

/** `installRuntime` with metrics, on whatever port is free. The native part cannot be asked which one it took. */
export async function installMeteredRuntime(logger: Logger): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      installRuntime(logger, await freePort());
      return;
    } catch (error) {
      // Somebody else was faster.
      if (tries === PORT_TRIES) throw error;
    }
  }
}

/** What the engine's client has counted, in Prometheus's format; nothing where it counts nothing. */
export async function engineMetrics(): Promise<string> {
  if (metricsUrl === undefined) return '';
  const answer = await fetch(metricsUrl, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return answer.ok ? answer.text() : '';
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function write(logger: Logger, { level, message, meta }: LogEntry): void {
  const { error, ...rest } = meta ?? {};
  const fields = error === undefined ? rest : { ...rest, err: error };
  switch (level) {
    case 'ERROR':
      return logger.error(fields, message);
    case 'WARN':
      return logger.warn(fields, message);
    case 'INFO':
    case 'DEBUG':
    case 'TRACE':
      // What the engine's client calls information is detail to an operator.
      return logger.debug(fields, message);
  }
}
