import type { Database } from '../client';
import { callDispatch } from './call';

export interface Bucket {
  companyId: string;
  key: string;
  ratePerSecond: number;
  burst: number;
  /** After a grant nothing more is granted for this long. */
  spacingMs: number;
}

/** Takes up to `want` tokens; `granted` 0 comes with how long to wait. */
export async function takeTokens(
  db: Database,
  bucket: Bucket,
  want: number,
): Promise<{ granted: number; waitMs: number }> {
  const row = await callDispatch<{ granted: number; wait_ms: number }>(
    db,
    'take_tokens',
    [bucket.companyId, bucket.key, want, bucket.ratePerSecond, bucket.burst, bucket.spacingMs],
    ['uuid', 'text', 'int', 'float8', 'float8', 'int'],
  );
  return { granted: row.granted, waitMs: row.wait_ms };
}

/** Gives back what the gate left unused. */
export async function returnTokens(db: Database, bucket: Bucket, unused: number): Promise<void> {
  if (unused > 0) await takeTokens(db, bucket, -unused);
}

/** Grants nothing for `waitMs`; `lower` multiplies the rate from then on (1 leaves it). */
export async function blockTokens(
  db: Database,
  companyId: string,
  key: string,
  waitMs: number,
  lower: number,
): Promise<void> {
  await callDispatch(db, 'block_tokens', [companyId, key, Math.ceil(waitMs), lower]);
}
