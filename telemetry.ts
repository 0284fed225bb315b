import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on stdout. Never given message texts, addresses or secrets; the paths below are a second lock on that door. */
export function createLogger(level: string, name: string): Logger {
  return pino({
    name,
    level,
    base: { pid: process.pid },
    serializers: { err: slimError },
    redact: {
      paths: [
        'password',
        'token',
        'authorization',
        'config',
        '*.password',
        '*.token',
        '*.authorization',
        '*.config',
      ],
      censor: '[redacted]',
    },
  });
}

/** An error without what hangs on it: drivers attach connections, queries and the values of rows. */
function slimError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, stack, code } = error as Error & { code?: unknown };
  const cause = error.cause instanceof Error ? { cause: slimError(error.cause) } : {};
  return { type: name, message: error.message, code, stack, ...cause };
}
