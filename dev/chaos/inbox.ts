import { Client } from 'pg';

/** Events that are stored and not yet applied. */
export async function countPending(adminUrl: string): Promise<number> {
  const rows = await ask<{ n: number }>(
    adminUrl,
    `SELECT count(*)::int AS n FROM webhook_inbox WHERE state = 'pending'`,
  );
  return rows[0]?.n ?? 0;
}

/** Messages of an execution about which an event came before we wrote down what the vendor had answered. */
interface EarlyEvents {
  /** Events were stored before that. */
  stored: number;
  /** Events were applied before that, and have settled the message: at their time, not at that of the answer. */
  applied: number;
}

export async function countEarly(adminUrl: string, executionId: string): Promise<EarlyEvents> {
  const [early] = await ask<EarlyEvents>(
    adminUrl,
    `SELECT count(DISTINCT c.position) FILTER (WHERE w.received_at < c.settled_at)::int AS stored,
         count(DISTINCT c.position) FILTER (WHERE w.occurred_at = c.sent_at)::int AS applied
       FROM webhook_inbox w CROSS JOIN LATERAL message_key(w.reference) k
         JOIN communications c USING (ledger_month, source_id, position, step, channel)
       WHERE c.source_id = $1`,
    [executionId],
  );
  return early ?? { stored: 0, applied: 0 };
}

async function ask<Row extends object>(
  adminUrl: string,
  statement: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return (await client.query<Row>(statement, values)).rows;
  } finally {
    await client.end();
  }
}
