import { RegenteError } from '../domain/errors';
import type { AppContext } from './context';

const WINDOW_MS = 60_000;

export interface RequestLimiter {
  /**
   * Counts one request of this subject and says so in the headers of the answer. Throws RATE_LIMITED beyond the limit.
   */
  take(c: AppContext, subject: string): void;
}

/**
 * Limits requests per subject in fixed windows of a minute, in the memory of this process: with several processes
 * behind a balancer, each allows the limit. It keeps one caller from crowding out the others; guesses of
 * passwords are counted in the database (`login-limits.ts`).
 */
export function createRequestLimiter(limit: number): RequestLimiter {
  let window = 0;
  // Emptied with every window, so it never holds more than one minute's callers.
  const taken = new Map<string, number>();
  return {
    take(c, subject) {
      const nowMs = Date.now();
      const current = Math.floor(nowMs / WINDOW_MS);
      if (current !== window) {
        window = current;
        taken.clear();
      }
      const count = (taken.get(subject) ?? 0) + 1;
      taken.set(subject, count);
      const resetMs = (current + 1) * WINDOW_MS - nowMs;
      c.header('RateLimit-Policy', `"default";q=${limit};w=${WINDOW_MS / 1_000}`);
      c.header(
        'RateLimit',
        `"default";r=${Math.max(0, limit - count)};t=${Math.ceil(resetMs / 1_000)}`,
      );
      if (count > limit) {
        throw new RegenteError(
          'RATE_LIMITED',
          `More than ${limit} requests in a minute; wait for the next one.`,
          { retryAfterMs: resetMs },
        );
      }
    },
  };
}
