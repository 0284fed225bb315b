import { setTimeout as delay } from 'node:timers/promises';
import { readProgress } from '../../prisma/campaigns/progress';
import type { Database } from '../../prisma/client';
import { withTenant } from '../../prisma/tenant';

const EVERY_MS = 500;

export interface ProgressWatch {
  /** Ends it; the answer is how long each reading took, in the order of the readings, at least one. */
  stop(): Promise<number[]>;
}

/**
 * Reads the progress of a campaign every half second as somebody would who looks at it, in a transaction of the
 * application's role: what `GET /v1/campaigns/{id}` and its events show.
 */
export async function watchProgress(
  db: Database,
  { companyId, campaignId }: { companyId: string; campaignId: string },
): Promise<ProgressWatch> {
  const read = (): Promise<unknown> =>
    withTenant(db, companyId, async (tx) =>
      readProgress(tx, await tx.campaign.findUniqueOrThrow({ where: { id: campaignId } })),
    );
  // The first one compiles and connects.
  await read();
  const took: number[] = [];
  const ended = new AbortController();
  const watch = async (): Promise<void> => {
    do {
      const began = performance.now();
      await read();
      took.push(performance.now() - began);
      await delay(EVERY_MS, undefined, { signal: ended.signal }).catch(() => {});
    } while (!ended.signal.aborted);
  };
  const watching = watch();
  // Heard by whoever stops it.
  watching.catch(() => {});
  return {
    stop: async () => {
      ended.abort();
      await watching;
      return took;
    },
  };
}
