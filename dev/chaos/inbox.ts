import { Client } from 'pg';

/** Events that are stored and not yet applied. */
export async function countPending(adminUrl: string): Promise<number> {
  const rows = await ask<{ n: number }>(
    adminUrl,
    `SELECT count(*)::int AS n FROM webhook_inbox WHERE state = 'pending'`,
  );
  return rows[0]?.n ?? 0;
}

/** When the first event about each message of an execution was stored (epoch ms), by our reference. */
export async function receivedAt(
  adminUrl: string,
  executionId: string,
): Promise<Map<string, number>> {
  const rows = await ask<{ reference: string; at: Date }>(
    adminUrl,
    `SELECT reference, min(received_at) AS at FROM webhook_inbox WHERE position($1 IN reference) > 0 GROUP BY reference`,
    [executionId],
  );
  return new Map(rows.map(({ reference, at }) => [reference, at.getTime()]));
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
