import { z } from '@hono/zod-openapi';
import { RecipientFilter } from '../../domain/campaigns.schema';
import { RECIPIENT_STATES } from '../../domain/communications';
import type { Database } from '../../prisma/client';
import {
  countReasons,
  readReportPage,
  type ReportCursor,
  type ReportPage,
  type ReportRow,
} from '../../prisma/campaign-reports';
import { countExecutions } from '../../prisma/campaigns/progress';
import { getCampaign } from '../../prisma/campaigns/scope';
import { listExecutions } from '../../prisma/campaigns/executions';
import { getCompany } from '../../prisma/companies';
import type { Campaign } from '../../prisma/generated/client';
import { refuseArchived } from '../../prisma/ledger-months';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps } from '../context';
import { breakOff, CsvForm, csvHeaders, csvStream } from '../csv';
import { pageArgs, pageBy, pageOf, PageQuery, readPlace, writePlace } from '../paging';
import { createRouter, defineRoute, IdParam, json, MAY_BE_ARCHIVED } from '../routes';
import { reportColumns } from './report-columns';
import { iso } from './show';
import { CountedExecutionItem, showCounted } from './show-progress';
import { tags } from './verbs';

const state = z.enum(RECIPIENT_STATES);
const moment = z.iso.datetime().nullable();

const Recipient = z
  .object({
    executionId: z.uuid().nullable(),
    position: z.int(),
    address: z.string(),
    nome: z.string().nullable(),
    phone: z.string().nullable(),
    email: z.string().nullable(),
    cpfCnpj: z.string().nullable(),
    idcobContrato: z.string().nullable(),
    isFish: z.boolean(),
    state,
    reason: z.string().nullable(),
    permanent: z.boolean().nullable(),
    providerMessageId: z.string().nullable(),
    cost: z.string(),
    notBefore: moment,
    sentAt: moment,
    deliveredAt: moment,
    readAt: moment,
    clickedAt: moment,
    failedAt: moment,
  })
  .openapi('CampaignRecipient');

const showRecipient = (row: ReportRow): z.infer<typeof Recipient> => ({
  ...row,
  notBefore: iso(row.notBefore),
  sentAt: iso(row.sentAt),
  deliveredAt: iso(row.deliveredAt),
  readAt: iso(row.readAt),
  clickedAt: iso(row.clickedAt),
  failedAt: iso(row.failedAt),
});

const request = { params: IdParam };

const executions = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/executions',
  tags,
  operationId: 'listExecutions',
  summary: 'List the executions of a campaign',
  description: 'Newest first: the first run, each retry, and test sends.',
  request: { ...request, query: PageQuery },
  responses: { 200: json(pageOf(CountedExecutionItem), 'A page of executions') },
});
const recipients = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/recipients',
  tags,
  operationId: 'listRecipients',
  summary: 'List people and what became of them',
  description:
    'In the order of the audience, by `position` from 0. Whoever a retry has taken back is listed with the retry only, ' +
    'whose positions begin at 0 again.',
  request: { ...request, query: PageQuery.extend(RecipientFilter.shape) },
  responses: { 200: json(pageOf(Recipient), 'A page of people'), ...MAY_BE_ARCHIVED },
});
const reasons = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/reasons',
  tags,
  operationId: 'countReasons',
  summary: 'Count people by state and reason',
  request,
  responses: {
    ...MAY_BE_ARCHIVED,
    200: json(
      z.object({
        items: z.array(
          z.object({
            state,
            reason: z.string().nullable(),
            isFish: z.boolean(),
            people: z.int(),
          }),
        ),
      }),
      'How many people are in which state for which reason; who has not been reached is not counted. `missing_variable` ' +
        'is one reason here; the list of people says which one each lacks',
    ),
  },
});
const report = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/report.csv',
  tags,
  operationId: 'downloadCampaignReport',
  summary: 'Download people and what became of them as CSV',
  description:
    '`execucao` and `posicao` are the `executionId` and the `position` (from 0) of `/recipients`, as `unknown/resolve` ' +
    'takes them. `excel-br` has a byte order mark, semicolons, decimal commas and local times.',
  request: {
    ...request,
    query: RecipientFilter.extend({ format: CsvForm.default('csv') }),
  },
  responses: {
    200: { description: 'One line per person', content: { 'text/csv': { schema: z.string() } } },
    ...MAY_BE_ARCHIVED,
  },
});

export function reportRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(executions, async (c) => {
      const actor = actorOf(c);
      const { limit, cursor } = c.req.valid('query');
      const counted = await withTenant(db, actor.companyId, async (tx) => {
        const { id } = await getCampaign(tx, actor, c.req.valid('param').id);
        return countExecutions(tx, await listExecutions(tx, id, pageArgs({ limit, cursor })));
      });
      return c.json(
        pageBy(counted, limit, showCounted, ({ execution }) => execution.id),
        200,
      );
    })
    .openapi(recipients, async (c) => {
      const actor = actorOf(c);
      const { limit, cursor, ...filter } = c.req.valid('query');
      const after = readReportCursor(cursor);
      const campaign = await withTenant(db, actor.companyId, (tx) =>
        getCampaign(tx, actor, c.req.valid('param').id),
      );
      const { rows, next } = await readReportPage(db, campaign, filter, { after, limit });
      const nextCursor = next && writePlace(`${next.part}:${next.position}`);
      return c.json({ items: rows.map(showRecipient), nextCursor }, 200);
    })
    .openapi(reasons, async (c) => {
      const actor = actorOf(c);
      const items = await withTenant(db, actor.companyId, async (tx) =>
        countReasons(tx, await getCampaign(tx, actor, c.req.valid('param').id)),
      );
      return c.json({ items }, 200);
    })
    .openapi(report, async (c) => {
      const actor = actorOf(c);
      const { format, ...filter } = c.req.valid('query');
      const { campaign, timeZone } = await withTenant(db, actor.companyId, async (tx) => {
        const campaign = await getCampaign(tx, actor, c.req.valid('param').id);
        // Here it can still be answered; once the file has begun, it can only break off.
        await refuseArchived(tx, campaign.id);
        return { campaign, timeZone: (await getCompany(tx)).timeZone };
      });
      const columns = reportColumns(campaign.agendamentoId, format === 'csv' ? null : timeZone);
      const rows = reportRows(db, campaign, filter);
      return c.body(
        csvStream(columns, rows, format, breakOff(c)),
        200,
        csvHeaders(fileName(campaign)),
      );
    });
}

/** Page by page, each in a transaction of its own: a slow reader holds nothing. */
async function* reportRows(
  db: Database,
  campaign: Campaign,
  filter: RecipientFilter,
): AsyncGenerator<ReportRow> {
  let after: ReportCursor | null = null;
  for (;;) {
    const place = { after, limit: ROWS_AT_A_TIME };
    const page: ReportPage = await readReportPage(db, campaign, filter, place);
    yield* page.rows;
    if (page.next === null) return;
    after = page.next;
  }
}

const ROWS_AT_A_TIME = 2_000;

const fileName = ({ agendamentoId }: Campaign): string =>
  `campanha-${agendamentoId.replaceAll(/[^\w.-]/g, '_')}`;

function readReportCursor(cursor: string | undefined): ReportCursor | null {
  const place = readPlace(cursor, /^(\d{1,6}):(\d{1,9})$/);
  return place && { part: Number(place[1]), position: Number(place[2]) };
}
