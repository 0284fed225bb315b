import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../telemetry';
import { loopFailures } from '../telemetry/metrics';

export interface Loop {
  /** Lets the running round end. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  name: string;
  /** Between two rounds; a round that found work is followed by the next at once. */
  everyMs: number;
  /** Answers how much it has found to do. */
  work: () => Promise<number>;
  logger: Logger;
}

const LONGEST_PAUSE_MS = 30_000;

/** Repeats `work` until stopped; an error is logged and the pause grows, for the database may be down for an hour. */
export function startLoop({ name, everyMs, work, logger }: LoopOptions): Loop {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      let pauseMs = everyMs;
      try {
        const found = await work();
        failures = 0;
        if (found > 0) pauseMs = 0;
      } catch (error) {
        failures += 1;
        loopFailures.inc({ loop: name });
        pauseMs = Math.min(LONGEST_PAUSE_MS, everyMs * 2 ** Math.min(failures, 8));
        logger.warn({ err: error, loop: name, failures }, 'a background round failed');
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
