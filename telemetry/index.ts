import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger };

const SECRETS = ['password', 'token', 'authorization', 'config'];

/**
 * JSON lines on stdout, or where `destination` says. Never given message texts, addresses or secrets; the paths below are
 * a second lock on that door.
 */
export function createLogger(level: string, name: string, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    serializers: { err: slimError },
    redact: {
      paths: SECRETS.flatMap((field) => [field, `*.${field}`]),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** An error without what hangs on it: drivers attach connections, queries and the values of rows. */
function slimError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, stack, code } = error as Error & { code?: unknown };
  const cause = error.cause instanceof Error ? { cause: slimError(error.cause) } : {};
  return { type: name, message: error.message, code, stack, ...cause };
}
