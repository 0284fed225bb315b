import type { Database } from '../client';
import { callDispatch } from './call';

/** The place of one execution's work; every call carries it. */
export interface ExecutionRef {
  companyId: string;
  executionId: string;
}

export type ClaimResult =
  | {
      outcome: 'claimed';
      seq: number;
      attempt: number;
      sending: number;
      /** The lane's first batch that is not closed. */
      firstOpen: number;
      shortfall: null | 'exhausted' | 'contention';
      controlVersion: number;
    }
  /** Nothing of this lane can be done before `waitMs` are over; `cause` as in `done`. */
  | { outcome: 'waiting'; firstOpen: number; waitMs: number; cause: string | null }
  /** Why and for how long the whole execution waits; null while another lane has something to do, or all is done. */
  | { outcome: 'done'; waitMs: number; cause: string | null }
  | { outcome: 'stopped' };

interface ClaimRow {
  outcome: ClaimResult['outcome'];
  seq: number;
  attempt: number;
  sending: number;
  first_open: number;
  shortfall: null | 'exhausted' | 'contention';
  control_version: number;
  wait_ms: number | null;
  /** The reason of the ledger row that is due first, or `reconcile`. */
  wait_reason: string | null;
}

/**
 * Takes the lane's next batch and raises its attempt, which is the fence; `fromSeq` only spares looking at batches
 * known to be closed.
 */
export async function claimBatch(
  db: Database,
  ref: ExecutionRef,
  lane: number,
  fromSeq: number,
): Promise<ClaimResult> {
  const row = await callDispatch<ClaimRow>(db, 'dispatch_claim', [
    ref.companyId,
    ref.executionId,
    lane,
    fromSeq,
  ]);
  switch (row.outcome) {
    case 'claimed':
      return {
        outcome: 'claimed',
        seq: row.seq,
        attempt: row.attempt,
        sending: row.sending,
        firstOpen: row.first_open,
        shortfall: row.shortfall,
        controlVersion: row.control_version,
      };
    case 'waiting': {
      const { first_open: firstOpen, wait_ms: waitMs, wait_reason: cause } = row;
      return { outcome: 'waiting', firstOpen, waitMs: waitMs ?? 0, cause };
    }
    case 'done':
      return { outcome: 'done', waitMs: row.wait_ms ?? 0, cause: row.wait_reason };
    case 'stopped':
      return { outcome: 'stopped' };
  }
}

export type CloseOutcome = 'closed' | 'open' | 'waiting' | 'sending' | 'fenced';

/**
 * Ends the work on a batch and books its money. With `parkMs`, a batch whose rows in `sending` must be waited for
 * leaves the lane free for its other batches for so long.
 */
export async function closeBatch(
  db: Database,
  ref: ExecutionRef,
  { seq, attempt, parkMs = null }: { seq: number; attempt: number; parkMs?: number | null },
): Promise<CloseOutcome> {
  const row = await callDispatch<{ outcome: CloseOutcome }>(db, 'dispatch_close', [
    ref.companyId,
    ref.executionId,
    seq,
    attempt,
    parkMs,
  ]);
  return row.outcome;
}

export type CancelResult =
  | { outcome: 'closed'; seq: number; attempt: number }
  | { outcome: 'sending'; seq: number; attempt: number }
  | { outcome: 'done' }
  | { outcome: 'stopped' };

/** Cancels whom the next unclosed batch has not reached. */
export async function cancelBatch(
  db: Database,
  ref: ExecutionRef,
  fromSeq: number,
  reason: string,
): Promise<CancelResult> {
  const row = await callDispatch<{
    outcome: CancelResult['outcome'];
    seq: number;
    attempt: number;
  }>(db, 'dispatch_cancel', [ref.companyId, ref.executionId, fromSeq, reason]);
  const { outcome, seq, attempt } = row;
  switch (outcome) {
    case 'closed':
    case 'sending':
      return { outcome, seq, attempt };
    case 'done':
    case 'stopped':
      return { outcome };
  }
}
