import { randomBytes } from 'node:crypto';
import { createEncryption } from '../../prisma/encryption';
import { query, type TestDatabase } from './database';
import { createScene, openTestExecution, type Scene } from './executions';

/** A month that may be archived, `YYYY-MM`. */
export const OLD_MONTH = monthsAgo(4);
export const OLD_TABLE = `communications_${OLD_MONTH.replace('-', '')}`;

function monthsAgo(n: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - n)).toISOString().slice(0, 7);
}

export interface OldCampaign extends Scene {
  campaignId: string;
  executionId: string;
}

/** The partition that the ledger had then. */
export async function makeOldMonth({ ownerUrl }: TestDatabase): Promise<void> {
  await query(
    ownerUrl,
    `CREATE TABLE ${OLD_TABLE} PARTITION OF communications
       FOR VALUES FROM ('${OLD_MONTH}-01') TO ((date '${OLD_MONTH}-01' + interval '1 month')::date)`,
  );
  await query(ownerUrl, `ALTER TABLE ${OLD_TABLE} ENABLE ROW LEVEL SECURITY`);
}

/**
 * A campaign of a company of its own that ended in the old month, in every final state, with texts that a CSV has to
 * quote: nine of ten sent, one of ten failed with line breaks, quotes and an empty reason in turn.
 */
export async function fillOldMonth(
  { db, adminUrl }: TestDatabase,
  recipients: number,
): Promise<OldCampaign> {
  const encryption = createEncryption([randomBytes(32)]);
  const scene = await createScene({ db, encryption, sandbox: { url: 'http://127.0.0.1:1' } });
  const executionId = await openTestExecution({ db }, scene, { recipients });
  const [row] = await query<{ campaign: string }>(
    adminUrl,
    `UPDATE campaign_executions SET ledger_month = $2, state = 'FINISHED', finished_at = now() - interval '100 days'
     WHERE id = $1 RETURNING campaign_id AS campaign`,
    [executionId, `${OLD_MONTH}-01`],
  );
  const campaignId = row!.campaign;
  await query(adminUrl, `UPDATE campaigns SET state = 'FINISHED' WHERE id = $1`, [campaignId]);
  await query(adminUrl, FILL_LEDGER, [executionId]);
  await query(adminUrl, FILL_IDS, [executionId]);
  await query(adminUrl, FILL_BATCHES, [executionId]);
  return { ...scene, campaignId, executionId };
}

const FILL_LEDGER = `
  INSERT INTO communications (company_id, ledger_month, source_id, position, channel, source_kind, state, reason, address,
    cost, mark_id, attempt, credential_version, tries, marked_at, call_before, provider_message_id, permanent, settled_at, sent_at, failed_at)
  SELECT e.company_id, e.ledger_month, e.id, r.position, e.channel, 'campaign',
      CASE WHEN r.position % 10 = 0 THEN 'failed' ELSE 'sent' END,
      CASE r.position % 30 WHEN 0 THEN '' WHEN 10 THEN E'caixa "cheia",\\n\\\\N linha 2\\r\\n' WHEN 20 THEN 'não entregue – ç' END,
      r.address, CASE WHEN r.position % 10 = 0 THEN 0 ELSE 0.0512 END, uuidv7(), 1, 1, 1, t.at, t.at + interval '4 seconds',
      CASE WHEN r.position % 10 > 0 THEN 'SM' || e.id || r.position END, CASE WHEN r.position % 10 = 0 THEN false END,
      t.at + interval '123456 microseconds',
      CASE WHEN r.position % 10 > 0 THEN t.at END, CASE WHEN r.position % 10 = 0 THEN t.at END
    FROM campaign_executions e JOIN campaign_recipients r ON r.audience_id = e.audience_id
      CROSS JOIN LATERAL (SELECT e.ledger_month + make_interval(secs => 3600 + r.position * 0.000001) AS at) t
    WHERE e.id = $1`;
const FILL_IDS = `
  INSERT INTO provider_messages (company_id, credential_id, provider_id, ledger_month, source_id, position, step, channel)
  SELECT e.company_id, e.credential_id, c.provider_message_id, c.ledger_month, c.source_id, c.position, c.step, c.channel
    FROM campaign_executions e JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id
    WHERE e.id = $1 AND c.provider_message_id IS NOT NULL`;
const FILL_BATCHES = `
  UPDATE dispatch_batches b SET state = 'closed', next_position = b.to_position + 1,
      sent = (SELECT count(*) FROM communications c WHERE c.source_id = b.execution_id AND c.state = 'sent'
        AND c.position BETWEEN b.from_position AND b.to_position),
      failed = (SELECT count(*) FROM communications c WHERE c.source_id = b.execution_id AND c.state = 'failed'
        AND c.position BETWEEN b.from_position AND b.to_position)
    WHERE b.execution_id = $1`;

/** Every row of the old month, of all companies, as texts: what the ledger holds of it and what belongs to it. */
export async function rowsOfMonth({ adminUrl }: TestDatabase): Promise<string[]> {
  const rows = await query<{ row: string }>(
    adminUrl,
    `SELECT c::text AS row FROM communications c WHERE ledger_month = $1
     UNION ALL SELECT p::text FROM provider_messages p WHERE ledger_month = $1 ORDER BY 1`,
    [`${OLD_MONTH}-01`],
  );
  return rows.map(({ row }) => row);
}
