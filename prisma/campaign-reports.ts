import type { RecipientFilter } from '../domain/campaigns.schema';
import type { MessageState } from '../domain/communications';
import { REAL } from './campaigns/lock';
import { Prisma, type Campaign } from './generated/client';
import type { TenantTx } from './tenant';

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
  state: MessageState | 'waiting';
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
  execution: { id: string; ledgerMonth: Date; channel: string } | null;
}

/**
 * The next people of a campaign in the order of their audience, first those of the first execution, then those of each
 * retry. Whoever was taken back by a retry is listed there only, so that everybody is listed once.
 */
export async function readReportPage(
  tx: TenantTx,
  campaign: Campaign,
  filter: RecipientFilter,
  { after, limit }: { after: ReportCursor | null; limit: number },
): Promise<ReportPage> {
  const parts = await readParts(tx, campaign);
  const found: { part: number; row: ReportRow }[] = [];
  for (let at = after?.part ?? 0; at < parts.length && found.length <= limit; at += 1) {
    const part = parts[at];
    if (part === undefined) break;
    const behind = at === after?.part ? after.position : -1;
    const rows = await readPart(tx, part, filter, behind, limit + 1 - found.length);
    found.push(...rows.map((row) => ({ part: at, row })));
  }
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

async function readParts(tx: TenantTx, { id, audienceId }: Campaign): Promise<Part[]> {
  const executions = await tx.campaignExecution.findMany({
    where: { campaignId: id, ...REAL },
    orderBy: { id: 'asc' },
    select: { id: true, audienceId: true, ledgerMonth: true, channel: true },
  });
  if (executions.length > 0)
    return executions.map((execution) => ({ audienceId: execution.audienceId, execution }));
  return audienceId === null ? [] : [{ audienceId, execution: null }];
}

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** One range scan over the audience with the ledger beside it, both by position. */
async function readPart(
  tx: TenantTx,
  { audienceId, execution }: Part,
  { state, reason }: RecipientFilter,
  behind: number,
  limit: number,
): Promise<ReportRow[]> {
  const conditions = [
    state === undefined ? Prisma.empty : Prisma.sql`AND coalesce(c.state, 'waiting') = ${state}`,
    reason === undefined ? Prisma.empty : Prisma.sql`AND c.reason = ${reason}`,
  ];
  const month = execution?.ledgerMonth.toISOString().slice(0, 10) ?? '2000-01-01';
  return tx.$queryRaw<ReportRow[]>`
    SELECT c.source_id::text AS "executionId", r.position, r.address, r.nome, r.phone, r.email, r.cpf_cnpj AS "cpfCnpj",
      r.idcob_contrato AS "idcobContrato", r.is_fish AS "isFish", coalesce(c.state, 'waiting') AS state,
      c.reason, c.permanent, c.provider_message_id AS "providerMessageId",
      (CASE WHEN c.state IN ('sent', 'delivered', 'read', 'clicked', 'undelivered', 'unknown') THEN c.cost ELSE 0 END)::numeric(14, 4)::text AS cost,
      c.not_before AS "notBefore", c.sent_at AS "sentAt", c.delivered_at AS "deliveredAt", c.read_at AS "readAt",
      c.clicked_at AS "clickedAt", c.failed_at AS "failedAt"
    FROM campaign_recipients r
      LEFT JOIN communications c ON c.ledger_month = ${month}::date AND c.source_id = ${execution?.id ?? NOBODY}::uuid
        AND c.position = r.position AND c.step = 0 AND c.channel = ${execution?.channel ?? ''}
    WHERE r.audience_id = ${audienceId}::uuid AND r.position > ${behind}::int AND c.retried_by IS NULL
      ${conditions[0]} ${conditions[1]}
    ORDER BY r.position LIMIT ${limit}::int`;
}

/** How many people are in which state for which reason, fish apart. */
export interface ReasonCount {
  state: MessageState;
  reason: string | null;
  isFish: boolean;
  people: number;
}

/** Counts the ledger itself: a second or so for a million people. */
export async function countReasons(tx: TenantTx, campaign: Campaign): Promise<ReasonCount[]> {
  return tx.$queryRaw<ReasonCount[]>`
    SELECT c.state, c.reason, c.is_fish AS "isFish", count(*)::int AS people
    FROM campaign_executions e
      JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id
    WHERE e.campaign_id = ${campaign.id}::uuid AND e.execution_type <> 'test' AND c.retried_by IS NULL
    GROUP BY 1, 2, 3 ORDER BY people DESC, c.state, c.reason`;
}
