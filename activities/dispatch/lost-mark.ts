import { setTimeout as delay } from 'node:timers/promises';
import { listOpenRows, type HeldBatch } from '../../prisma/dispatch/messages';
import type { Turn } from './turn';

const LONGEST_PAUSE_MS = 5_000;

/**
 * The positions that a mark has taken, read back after its answer was lost. As settling does, it asks for as long as the
 * process lives: nobody else can know that these people were surely not called. None once another worker has claimed the
 * batch and reconciled them, after the ten minutes of an activity at the latest.
 */
export async function findLostMark(
  { db, logger }: Turn,
  batch: HeldBatch,
  markId: string,
): Promise<number[]> {
  for (let pauseMs = 500; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      const { rows } = await listOpenRows(db, batch);
      return rows.filter((row) => row.markId === markId).map(({ position }) => position);
    } catch (error) {
      logger.warn({ err: error, executionId: batch.executionId }, 'a mark could not be read back');
      await delay(pauseMs);
    }
  }
}
