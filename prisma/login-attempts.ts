import type { Database } from './client';
import { queryAcross } from './tenant';

/** A guess is counted per subject (an address, an account) in fixed windows. */
export interface AttemptWindow {
  subject: string;
  windowMs: number;
}

/** Counts one attempt and answers how many this window has now, this one included. */
export async function countAttempt(
  db: Database,
  { subject, windowMs }: AttemptWindow,
): Promise<number> {
  const rows = await queryAcross<{ attempts: number }>(
    db,
    `SELECT count_login_attempt($1, $2 * interval '1 millisecond') AS attempts`,
    [subject, windowMs],
  );
  return rows[0]?.attempts ?? 0;
}

/** Takes a counted attempt back, because it was a good one. */
export async function forgiveAttempt(
  db: Database,
  { subject, windowMs }: AttemptWindow,
): Promise<void> {
  await queryAcross(db, `SELECT forgive_login_attempt($1, $2 * interval '1 millisecond')`, [
    subject,
    windowMs,
  ]);
}
