import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Pool } from 'pg';

/** How often a connection is looked at within its limit. */
const LOOKS = 5;

/** More than a statement's own limit, so that the server's answer about that comes first. */
export const MARGIN_MS = 5_000;

/**
 * A host that has died while it worked is found by probes some twenty seconds later, however long the work may take.
 * They say nothing of a request that never arrived, and a machine in between may answer them.
 */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

/** How long an answer is waited for. */
export interface Patience {
  readonly limitMs: number;
  /** While work of this length is under way, nothing is given up earlier: whose connection is whose is not known. */
  during<T>(workMs: number | undefined, work: () => Promise<T>): Promise<T>;
}

/** @param usualMs for everything that says nothing else */
export function createPatience(usualMs: number): Patience {
  const underWay: { workMs: number }[] = [];
  return {
    get limitMs() {
      return Math.max(usualMs, ...underWay.map(({ workMs }) => workMs + MARGIN_MS));
    },
    async during(workMs, work) {
      if (workMs === undefined) return work();
      const entry = { workMs };
      underWay.push(entry);
      try {
        return await work();
      } finally {
        underWay.splice(underWay.indexOf(entry), 1);
      }
    },
  };
}

/**
 * Breaks connections of this pool that owe an answer and move no byte for as long as `patience` lasts: the host is
 * gone, or the way to it has forgotten them, and nobody would ever say so. Whoever waits gets ETIMEDOUT, as from any
 * broken connection. Streams and long results go on for as long as they move.
 * @param usualMs says how often to look
 */
export function breakSilent(pool: Pool, patience: Patience, usualMs: number): void {
  const everyMs = usualMs / LOOKS;
  pool.on('connect', (client) => {
    const { stream } = client.connection;
    if (!(stream instanceof Socket)) return;
    // Everything up to here has been answered.
    let answeredUntil = stream.bytesWritten;
    client.on('drain', () => {
      answeredUntil = stream.bytesWritten;
    });
    let moved = 0;
    // Counted in looks: a process that stood still has to read what came meanwhile before it judges.
    let silentMs = 0;
    const look = (): void => {
      const before = moved;
      moved = stream.bytesRead + stream.bytesWritten;
      const isSilent = stream.bytesWritten > answeredUntil && moved === before;
      silentMs = isSilent ? silentMs + everyMs : 0;
      if (silentMs >= patience.limitMs) stream.destroy(silence());
    };
    const looking = setInterval(look, everyMs).unref();
    client.once('end', () => clearInterval(looking));
  });
}

/** As the system would say it; the adapter of Prisma asks for all of these fields. */
const silence = (): Error =>
  Object.assign(new Error('PostgreSQL does not answer on this connection.'), {
    code: 'ETIMEDOUT',
    syscall: 'read',
    errno: -constants.errno.ETIMEDOUT,
  });
