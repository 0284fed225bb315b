import { z } from '@hono/zod-openapi';
import { listRejects, type RejectFilter } from '../../prisma/audiences/rejects';
import type { CampaignActor } from '../../prisma/campaigns/scope';
import type { Database } from '../../prisma/client';
import type { AudienceReject } from '../../prisma/generated/client';
import { withTenant } from '../../prisma/tenant';
import type { CsvColumn } from '../csv';
import { readPlace } from '../paging';

/** A row that is not in the audience. */
export const Reject = z
  .object({
    line: z
      .int()
      .describe('Physical line of the file, from 1; for a list, the number of the item.'),
    column: z.string().nullable(),
    reason: z.string(),
    value: z.string().nullable(),
  })
  .openapi('AudienceReject');

export const showReject = (row: AudienceReject): z.infer<typeof Reject> => ({
  line: row.line,
  column: row.columnName,
  reason: row.reason,
  value: row.value,
});

export const REJECT_COLUMNS: readonly CsvColumn<AudienceReject>[] = [
  { header: 'linha', cell: (reject) => reject.line },
  { header: 'coluna', cell: (reject) => reject.columnName },
  { header: 'motivo', cell: (reject) => reject.reason },
  { header: 'valor', cell: (reject) => reject.value },
];

const PAGE_ROWS = 5_000;

/** All of them, in pages of short transactions: a slow reader holds nothing. Throws as `listRejects`. */
export async function* allRejects(
  db: Database,
  companyId: string,
  actor: CampaignActor,
  campaignId: string,
  filter: RejectFilter,
): AsyncGenerator<AudienceReject> {
  for (let after: number | null = null; ;) {
    const page = { take: PAGE_ROWS, after };
    const rejects: AudienceReject[] = await withTenant(db, companyId, (tx) =>
      listRejects(tx, actor, campaignId, filter, page),
    );
    yield* rejects;
    if (rejects.length < PAGE_ROWS) return;
    after = rejects.at(-1)?.seq ?? null;
  }
}

/** The place of a row in its list, for a cursor. */
export const rejectPlace = ({ seq }: AudienceReject): string => `r${seq}`;

/** The `seq` after which the page begins; null for the first. Throws VALIDATION for another list's cursor. */
export function readRejectCursor(cursor: string | undefined): number | null {
  const place = readPlace(cursor, /^r(\d{1,9})$/);
  return place && Number(place[1]);
}
