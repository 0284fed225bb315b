import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';
import { LOOK_WITHIN_MS } from '../prisma/probe';

/** A look of a health check at the engine. */
export interface EngineLook {
  /** Whether it answers right now, within `LOOK_WITHIN_MS`; never rejects. */
  answers(): Promise<boolean>;
  /**
   * To be awaited before the connection is closed: a look that nobody waits for any longer is tried again by the client's
   * own timer, and on a closed connection that would end the process.
   */
  end(): Promise<void>;
}

/** @param connect may take longer than a look, and goes on for the next one */
export function createEngineLook(connect: () => Promise<ConnectionLike>): EngineLook {
  const underWay = new Set<Promise<boolean>>();
  const ask = async (): Promise<boolean> => {
    const deadline = Date.now() + LOOK_WITHIN_MS;
    try {
      const connection = await connect();
      await connection.withDeadline(deadline, () => connection.workflowService.getSystemInfo({}));
      return true;
    } catch {
      return false;
    }
  };
  return {
    answers() {
      const look = ask().finally(() => underWay.delete(look));
      underWay.add(look);
      return Promise.race([look, delay(LOOK_WITHIN_MS, false, { ref: false })]);
    },
    async end() {
      await Promise.all(underWay);
    },
  };
}
