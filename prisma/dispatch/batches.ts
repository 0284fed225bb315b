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
      shortfall: null | 'exhausted' | 'contention';
      controlVersion: number;
    }
  | { outcome: 'waiting'; dueMs: number }
  | { outcome: 'done' }
  | { outcome: 'stopped' };

interface ClaimRow {
  outcome: ClaimResult['outcome'];
  seq: number;
  attempt: number;
  sending: number;
  shortfall: null | 'exhausted' | 'contention';
  control_version: number;
  due: Date | null;
}

/** Takes the lane's next batch (protocol §3.1); `fromSeq` only spares looking at batches known to be closed. */
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
        shortfall: row.shortfall,
        controlVersion: row.control_version,
      };
    case 'waiting':
      return { outcome: 'waiting', dueMs: row.due?.getTime() ?? 0 };
    case 'done':
    case 'stopped':
      return { outcome: row.outcome };
  }
}

export type CloseResult =
  | { outcome: 'closed' | 'open' | 'sending' | 'fenced' }
  | { outcome: 'waiting'; dueMs: number };

/** Ends the work on a batch and settles its money (protocol §3.7). */
export async function closeBatch(
  db: Database,
  ref: ExecutionRef,
  seq: number,
  attempt: number,
): Promise<CloseResult> {
  const row = await callDispatch<{ outcome: CloseResult['outcome']; due: Date | null }>(
    db,
    'dispatch_close',
    [ref.companyId, ref.executionId, seq, attempt],
  );
  return row.outcome === 'waiting'
    ? { outcome: 'waiting', dueMs: row.due?.getTime() ?? 0 }
    : { outcome: row.outcome };
}

export type CancelResult =
  | { outcome: 'closed'; seq: number; attempt: number }
  | { outcome: 'sending'; seq: number; attempt: number }
  | { outcome: 'done' }
  | { outcome: 'stopped' };

/** Cancels whom the next unclosed batch has not reached (protocol §4). */
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
