import { RegenteError } from '../domain/errors';
import type { TenantConnection, TenantTx } from './tenant';

/** Months of ledger partitions that are kept ready: a worker has a quarter of a year to make the next one. */
export const MONTHS_AHEAD = 4;

/** The months, `YYYY-MM`, of a campaign's real executions that the ledger does not hold any more. */
const ARCHIVED_OF_CAMPAIGN = `
  SELECT DISTINCT to_char(e.ledger_month, 'YYYY-MM') AS month FROM campaign_executions e
  WHERE e.campaign_id = $1::uuid AND e.execution_type <> 'test' AND e.recipients > 0
    AND NOT ledger_has_month(e.ledger_month) ORDER BY 1`;

interface MonthRow {
  month: string;
}

/**
 * Call it after the rows were read or changed, in the same transaction: a month that is taken away in between is then
 * seen as gone, and nobody counts its people as not reached.
 * Throws ARCHIVED, with `archivedMonths`, when the ledger has lost people of this campaign to the archive.
 */
export async function refuseArchived(tx: TenantTx, campaignId: string): Promise<void> {
  refuse(await tx.$queryRawUnsafe<MonthRow[]>(ARCHIVED_OF_CAMPAIGN, campaignId));
}

/** `refuseArchived` on a plain connection. */
export async function refuseArchivedRead(
  connection: TenantConnection,
  campaignId: string,
): Promise<void> {
  refuse((await connection.query<MonthRow>(ARCHIVED_OF_CAMPAIGN, [campaignId])).rows);
}

/** `refuseArchived` for one month, of a test send. */
export async function refuseArchivedMonth(tx: TenantTx, ledgerMonth: Date): Promise<void> {
  refuse(
    await tx.$queryRaw<MonthRow[]>`
      SELECT to_char(${ledgerMonth}::date, 'YYYY-MM') AS month WHERE NOT ledger_has_month(${ledgerMonth}::date)`,
  );
}

function refuse(rows: readonly MonthRow[]): void {
  if (rows.length === 0) return;
  const archivedMonths = rows.map(({ month }) => month);
  throw new RegenteError(
    'ARCHIVED',
    `The messages of ${archivedMonths.join(', ')} are archived; counts and money are still known. ` +
      'Whoever runs this installation can restore them.',
    { details: { archivedMonths } },
  );
}
