import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on stdout. Never given message texts, addresses or secrets; the paths below are a second lock on that door. */
export function createLogger(level: string, name: string): Logger {
  return pino({
    name,
    level,
    base: { pid: process.pid },
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
