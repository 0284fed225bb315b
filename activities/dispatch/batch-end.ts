import type { WaitReason } from '../../domain/campaigns';
import type { CallReport } from './assess';

/** How the work on a batch ended. */
export type BatchEnd =
  | { kind: 'finished' }
  /** The turn is over; the batch goes on in the next one. */
  | { kind: 'interrupted' }
  /** Another attempt holds the batch. */
  | { kind: 'fenced' }
  /** The campaign is not PROCESSING any more. */
  | { kind: 'stopped' }
  /** The batch's reservation did not cover the next person. */
  | { kind: 'short' }
  | { kind: 'wait'; reason: WaitReason; waitMs: number }
  /** Rows in `sending` must be waited for; the lane's other batches need not. */
  | { kind: 'parked'; waitMs: number }
  /** The vendor refuses the account itself. */
  | { kind: 'refused'; reason: string };

/** Shorter waits are spent within the turn; longer ones are the workflow's timer. */
export const INLINE_WAIT_MS = 1_500;

/** What the answers of the vendor mean for the rest of the batch; undefined: it goes on. */
export function endAfter(
  report: CallReport,
): Extract<BatchEnd, { kind: 'refused' | 'interrupted' | 'wait' }> | undefined {
  switch (report.kind) {
    case 'fine':
      return undefined;
    case 'refused':
      return { kind: 'refused', reason: 'credentials_refused' };
    case 'replaced':
      // The next turn opens the account with its new config.
      return { kind: 'interrupted' };
    case 'slower':
      return { kind: 'wait', reason: 'rate_limit', waitMs: report.waitMs };
    case 'down':
      return { kind: 'wait', reason: 'provider_down', waitMs: report.waitMs };
  }
}
