import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  type LogEntry,
} from '@temporalio/worker';
import type { Logger } from '../telemetry';

let installed = false;

/**
 * Sends the engine's own log lines through ours, and leaves signals to the entry file. A process has one runtime, so
 * only the first call counts.
 */
export function installRuntime(logger: Logger): DefaultLogger {
  const engineLogger = new DefaultLogger('INFO', (entry) => write(logger, entry));
  if (!installed) {
    // Without `forward` the native part writes its own lines, not JSON, to the console.
    const filter = makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' });
    const telemetryOptions = { logging: { forward: {}, filter } };
    Runtime.install({ logger: engineLogger, shutdownSignals: [], telemetryOptions });
  }
  installed = true;
  return engineLogger;
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
