import { setTimeout as delay } from 'node:timers/promises';
import { listOpenRows, type HeldBatch } from '../../prisma/dispatch/messages';
import type { Turn } from './turn';

const TRIES = 10;
const PAUSE_MS = 500;

/**
 * The positions that a mark has taken, read back after its answer was lost. None when the database does not come back
 * in time: the reconcile then finds them like those of any caller that is gone.
 */
export async function findLostMark(
  { db, logger }: Turn,
  batch: HeldBatch,
  markId: string,
): Promise<number[]> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      const { rows } = await listOpenRows(db, batch);
      return rows.filter((row) => row.markId === markId).map(({ position }) => position);
    } catch (error) {
      logger.warn({ err: error, executionId: batch.executionId }, 'a mark could not be read back');
      await delay(PAUSE_MS);
    }
  }
  return [];
}
