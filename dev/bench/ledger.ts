import type { Client } from 'pg';
import type { LedgerFigures } from './contender';

export interface LedgerReading {
  sent: number;
  /** Provider ids beyond the first of a row: messages that the vendor took twice. */
  duplicated: number;
  /** From PROCESSING to FINISHED. */
  processingMs: number;
  figures: Omit<LedgerFigures, 'workerRssMb'>;
}

/** What the ledger itself says about an execution that has ended; its counters are not asked. */
export async function readLedger(admin: Client, executionId: string): Promise<LedgerReading> {
  const one = async <Row extends object>(sql: string): Promise<Row> => {
    const [row] = (await admin.query<Row>(sql, [executionId])).rows;
    if (row === undefined) throw new Error('The ledger has nothing about this execution.');
    return row;
  };
  const count = await one<{ sent: number }>(
    `SELECT count(*)::int AS sent FROM communications WHERE source_id = $1 AND state = 'sent'`,
  );
  const ids = await one<{ duplicated: number }>(
    `SELECT (count(*) - count(DISTINCT (position, step)))::int AS duplicated FROM provider_messages WHERE source_id = $1`,
  );
  const times = await one<{ processing: number; approve_to_settled: number; sending: number }>(
    `SELECT ${msBetween('e.started_at', 'e.finished_at')} AS processing,
        ${msBetween('e.created_at', 'c.last')} AS approve_to_settled, ${msBetween('c.first', 'c.last')} AS sending
      FROM campaign_executions e CROSS JOIN LATERAL (SELECT min(marked_at) AS first, max(settled_at) AS last
        FROM communications WHERE ledger_month = e.ledger_month AND source_id = e.id) c
      WHERE e.id = $1`,
  );
  // A batch that was claimed again has forgotten when its earlier messages were claimed.
  const latency = await one<{ at: number[] | null }>(
    `SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY ${msBetween('b.claimed_at', 'c.settled_at')}) AS at
      FROM campaign_executions e
        JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id
        JOIN dispatch_batches b ON b.execution_id = e.id AND b.seq = c.position / e.batch_size AND b.attempt = c.attempt
      WHERE e.id = $1 AND c.settled_at IS NOT NULL`,
  );
  const [claimToSettleP50Ms = 0, claimToSettleP99Ms = 0] = latency.at ?? [];
  return {
    sent: count.sent,
    duplicated: ids.duplicated,
    processingMs: times.processing,
    figures: {
      claimToSettleP50Ms,
      claimToSettleP99Ms,
      approveToSettledMs: times.approve_to_settled,
      sendingMs: times.sending,
    },
  };
}

const msBetween = (from: string, to: string): string =>
  `(extract(epoch FROM ${to} - ${from}) * 1000)::float8`;
