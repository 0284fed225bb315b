import type { RecipientFilter } from '../domain/campaigns.schema';
import type { MessageState, RecipientState } from '../domain/communications';
import type { Database } from './client';
import { Prisma, type Campaign } from './generated/client';
import { refuseArchived, refuseArchivedRead } from './ledger-months';
import { withTenantConnection, type TenantConnection, type TenantTx } from './tenant';

/** One person of a campaign with what became of them last. */
export interface ReportRow {
  /** The execution that has reached the person; null before. */
  executionId: string | null;
  position: number;
  address: string;
  nome: string | null;
  phone: string | null;
  email: string | null;
  cpfCnpj: string | null;
  idcobContrato: string | null;
  isFish: boolean;
  /** `waiting`: not reached yet. */
  state: RecipientState;
  reason: string | null;
  permanent: boolean | null;
  providerMessageId: string | null;
  /** Decimal string; what is paid for this person. */
  cost: string;
  notBefore: Date | null;
  sentAt: Date | null;
  deliveredAt: Date | null;
  readAt: Date | null;
  clickedAt: Date | null;
  failedAt: Date | null;
}

/** Where a list goes on: behind this position of this part. */
export interface ReportCursor {
  part: number;
  position: number;
}

export interface ReportPage {
  rows: ReportRow[];
  /** Null on the last page. */
  next: ReportCursor | null;
}

/** An audience that a campaign was, or will be, sent to. */
interface Part {
  audienceId: string;
  executionId: string | null;
  /** `YYYY-MM-01`. */
  ledgerMonth: string | null;
  channel: string | null;
  /** Positions run from 0 up to here, fish included. */
  positions: number;
}

/**
 * The next people of a campaign in the order of their audience, first those of the first execution, then those of each
 * retry. Whoever was taken back by a retry is listed there only, so that everybody is listed once.
 * Throws ARCHIVED.
 */
export async function readReportPage(
  db: Database,
  campaign: Campaign,
  filter: RecipientFilter,
  { after, limit }: { after: ReportCursor | null; limit: number },
): Promise<ReportPage> {
  const found: { part: number; row: ReportRow }[] = [];
  // A plain connection: wide rows by the thousand are what it is much faster at.
  await withTenantConnection(db, campaign.companyId, async (connection) => {
    const parts = await readParts(connection, campaign);
    for (let at = after?.part ?? 0; at < parts.length && found.length <= limit; at += 1) {
      const part = parts[at];
      if (part === undefined) break;
      const behind = at === after?.part ? after.position : -1;
      for (let from = behind + 1; from < part.positions && found.length <= limit; from += WINDOW) {
        const rows = await readWindow(connection, part, filter, from, limit + 1 - found.length);
        for (const row of rows) found.push({ part: at, row });
      }
    }
    await refuseArchivedRead(connection, campaign.id);
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    rows: page.map(({ row }) => row),
    next:
      found.length > limit && last !== undefined
        ? { part: last.part, position: last.row.position }
        : null,
  };
}

/** Test sends do not count, nor what was withdrawn before it began. */
async function readParts(
  connection: TenantConnection,
  { id, audienceId }: Campaign,
): Promise<Part[]> {
  const { rows } = await connection.query<Part>(
    `SELECT audience_id AS "audienceId", id AS "executionId", ledger_month::text AS "ledgerMonth", channel,
       recipients + fish AS positions
     FROM campaign_executions WHERE campaign_id = $1 AND execution_type <> 'test' AND recipients > 0 ORDER BY id`,
    [id],
  );
  if (rows.length > 0 || audienceId === null) return rows;
  // Nothing has been approved yet: everybody waits.
  const drafted = await connection.query<Part>(
    `SELECT id AS "audienceId", NULL AS "executionId", NULL AS "ledgerMonth", NULL AS channel, recipients AS positions
     FROM audiences WHERE id = $1`,
    [audienceId],
  );
  return drafted.rows;
}

/** Positions that are looked at in one statement. */
const WINDOW = 2_000;

/** A reason without what differs from person to person: who lacks a variable lacks one, whichever it is. */
const reasonToCount = (ledger: string): string =>
  `CASE WHEN starts_with(${ledger}.reason, 'missing_variable:') THEN 'missing_variable' ELSE ${ledger}.reason END`;

/**
 * One range of the audience, and each person's ledger row by its key. Range and LIMIT keep the planner from reading and
 * sorting the whole campaign for every page, which it falls for where it knows nothing about a new one.
 */
const PEOPLE = `
  SELECT c.source_id AS "executionId", r.position, r.address, r.nome, r.phone, r.email, r.cpf_cnpj AS "cpfCnpj",
    r.idcob_contrato AS "idcobContrato", r.is_fish AS "isFish", coalesce(c.state, 'waiting') AS state,
    c.reason, c.permanent, c.provider_message_id AS "providerMessageId",
    (CASE WHEN c.state IN ('sent', 'delivered', 'read', 'clicked', 'undelivered', 'unknown') THEN c.cost ELSE 0 END)::numeric(14, 4) AS cost,
    c.not_before AS "notBefore", c.sent_at AS "sentAt", c.delivered_at AS "deliveredAt", c.read_at AS "readAt",
    c.clicked_at AS "clickedAt", c.failed_at AS "failedAt"
  FROM campaign_recipients r
    LEFT JOIN LATERAL (SELECT * FROM communications l WHERE l.ledger_month = $2::date AND l.source_id = $3::uuid
      AND l.position = r.position AND l.step = 0 AND l.channel = $4 LIMIT 1) c ON true
  WHERE r.audience_id = $1 AND r.position BETWEEN $5 AND $6 AND c.retried_by IS NULL
    AND ($7::text IS NULL OR coalesce(c.state, 'waiting') = $7) AND ($8::text IS NULL OR c.reason = $8 OR ${reasonToCount('c')} = $8)
  ORDER BY r.position LIMIT $9`;

async function readWindow(
  connection: TenantConnection,
  { audienceId, executionId, ledgerMonth, channel }: Part,
  { state = null, reason = null }: { state?: string | null; reason?: string | null },
  from: number,
  limit: number,
): Promise<ReportRow[]> {
  const ledger = [audienceId, ledgerMonth, executionId, channel];
  const values = [...ledger, from, from + WINDOW - 1, state, reason, limit];
  return (await connection.query<ReportRow>(PEOPLE, values)).rows;
}

/** How many people are in which state for which reason, fish apart. */
export interface ReasonCount {
  state: MessageState;
  reason: string | null;
  isFish: boolean;
  people: number;
}

/** Counts the ledger itself: a second or so for a million people. Throws ARCHIVED. */
export async function countReasons(tx: TenantTx, campaign: Campaign): Promise<ReasonCount[]> {
  const counts = await tx.$queryRaw<ReasonCount[]>`
    SELECT c.state, ${Prisma.raw(reasonToCount('c'))} AS reason, c.is_fish AS "isFish", count(*)::int AS people
    FROM campaign_executions e
      JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id
    WHERE e.campaign_id = ${campaign.id}::uuid AND e.execution_type <> 'test' AND c.retried_by IS NULL
    GROUP BY 1, 2, 3 ORDER BY people DESC, 1, 2`;
  await refuseArchived(tx, campaign.id);
  return counts;
}
