import { z } from '@hono/zod-openapi';
import { AUDIENCE_FIELDS } from '../../domain/audience-columns';
import { AudienceList } from '../../domain/audiences.schema';
import { RegenteError } from '../../domain/errors';
import { plainText } from '../../domain/plain-text.schema';
import { readAudience } from '../../prisma/audiences';
import { ensureAssessed } from '../../prisma/audiences/assessments';
import { previewRecipients } from '../../prisma/audiences/previews';
import { listRejects } from '../../prisma/audiences/rejects';
import { summarizeAudience } from '../../prisma/audiences/summary';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps } from '../context';
import { breakOff, CsvForm, csvHeaders, csvStream } from '../csv';
import { pageBy, pageOf, PageQuery } from '../paging';
import { createRouter, defineRoute, IdParam, json } from '../routes';
import {
  allRejects,
  readRejectCursor,
  Reject,
  REJECT_COLUMNS,
  rejectPlace,
  showReject,
} from './rejects';
import {
  Audience,
  AudienceState,
  Preview,
  showPreview,
  showState,
  showSummary,
  Summary,
} from './shapes';
import { mappingOf } from './columns';
import { listOf } from './lists';
import { uploadAudience } from './upload';

const tags = ['Audience'];
const params = IdParam;

const text = { schema: z.string() };
const binary = { schema: z.string().openapi({ format: 'binary' }) };
const mapped = Object.fromEntries(
  AUDIENCE_FIELDS.map((field) => [`map[${field}]`, z.string().max(200).optional()]),
);

const put = defineRoute('campaigns:write', {
  method: 'put',
  path: '/{id}/audience',
  tags,
  operationId: 'putAudience',
  summary: 'Upload the audience of a draft',
  description:
    'The whole audience of a draft, in place of the one that it has: a CSV of any size (also gzip; delimiter, quotes and ' +
    'encoding are detected), or a small list as JSON. Column names are understood as Brazilian files write them; `mapping` ' +
    '(JSON) or `map[phone]=Tel 2` says otherwise. Bad rows are counted and kept as rejects. All of it or nothing: a file ' +
    'that fails, or in which no row is good, leaves the old audience.',
  request: {
    params,
    query: z.object({
      fileName: plainText(255).optional(),
      mapping: z.string().max(4_000).optional(),
      ...mapped,
    }),
    body: {
      content: {
        'text/csv': text,
        'text/plain': text,
        'text/tab-separated-values': text,
        'application/csv': text,
        'application/vnd.ms-excel': text,
        'application/gzip': binary,
        'application/x-gzip': binary,
        'application/octet-stream': binary,
        'application/json': { schema: AudienceList },
      },
    },
  },
  responses: { 200: json(Audience, 'The new audience') },
});
const get = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/audience',
  tags,
  operationId: 'getAudience',
  summary: 'Show the audience',
  description: 'The audience, and how far a running upload is.',
  request: { params },
  responses: { 200: json(AudienceState, 'The audience') },
});
const rejects = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/audience/rejects',
  tags,
  operationId: 'listAudienceRejects',
  summary: 'List the rows that were refused',
  description: 'In the order of the file. The first 100,000 are kept.',
  request: { params, query: PageQuery.extend({ reason: z.string().max(50).optional() }) },
  responses: { 200: json(pageOf(Reject), 'A page of rows that are not in the audience') },
});
const rejectsCsv = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/audience/rejects.csv',
  tags,
  operationId: 'downloadAudienceRejects',
  summary: 'Download the rows that were refused as CSV',
  request: {
    params,
    query: z.object({ format: CsvForm.default('csv'), reason: z.string().max(50).optional() }),
  },
  responses: {
    200: { description: 'One line per row', content: { 'text/csv': { schema: z.string() } } },
  },
});
const summary = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/audience/summary',
  tags,
  operationId: 'summarizeAudience',
  summary: 'Show reach, cost and duration',
  description:
    'Whom the campaign would reach if it were sent now, what it costs and how long it takes.',
  request: { params },
  responses: { 200: json(Summary, 'The summary') },
});
const preview = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/preview',
  tags,
  operationId: 'previewCampaign',
  summary: 'Show the first messages',
  description:
    'The first five people who can be sent to, with their messages as they would be now.',
  request: { params },
  responses: { 200: json(Preview, 'Five messages, or fewer') },
});

const PREVIEWED = 5;
/** A count of five million people takes some seconds. */
const COUNTING_MS = 60_000;

export function audienceRoutes(deps: ApiDeps) {
  return rejectRoutes(deps)
    .openapi(put, async (c) => {
      const { id } = c.req.valid('param');
      const { fileName = null, mapping } = c.req.valid('query');
      const request = {
        campaignId: id,
        fileName,
        mapping: mappingOf(c, mapping),
        list: await listOf(c, c.req.valid('json')),
      };
      return c.json(await uploadAudience(c, deps, request), 200);
    })
    .openapi(get, async (c) => {
      const actor = actorOf(c);
      const state = await withTenant(deps.db, actor.companyId, (tx) =>
        readAudience(tx, actor, c.req.valid('param').id),
      );
      return c.json(showState(state), 200);
    })
    .openapi(summary, async (c) => {
      const { db } = deps;
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      await withTenant(db, actor.companyId, (tx) => readAudience(tx, actor, id));
      await ensureAssessed(db, actor.companyId, id);
      const summary = await withTenant(
        db,
        actor.companyId,
        (tx) => summarizeAudience(tx, actor, id),
        { timeoutMs: COUNTING_MS },
      );
      if (summary === null)
        throw new RegenteError('CONFLICT', 'The campaign has no audience yet; upload one.');
      return c.json(showSummary(summary), 200);
    })
    .openapi(preview, async (c) => {
      const actor = actorOf(c);
      const found = await withTenant(deps.db, actor.companyId, (tx) =>
        previewRecipients(tx, actor, c.req.valid('param').id, PREVIEWED),
      );
      return c.json(showPreview(found), 200);
    });
}

function rejectRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(rejects, async (c) => {
      const actor = actorOf(c);
      const { limit, cursor, reason } = c.req.valid('query');
      const page = { take: limit + 1, after: readRejectCursor(cursor) };
      const rows = await withTenant(db, actor.companyId, (tx) =>
        listRejects(tx, actor, c.req.valid('param').id, { reason }, page),
      );
      return c.json(pageBy(rows, limit, showReject, rejectPlace), 200);
    })
    .openapi(rejectsCsv, async (c) => {
      const actor = actorOf(c);
      const { companyId } = actor;
      const { id } = c.req.valid('param');
      const { format, reason } = c.req.valid('query');
      // Before the first byte, so that what is not there is a 404 and not a broken file.
      const { audience } = await withTenant(db, companyId, (tx) => readAudience(tx, actor, id));
      const filter = { reason, audienceId: audience?.id };
      const rows = audience === null ? [] : allRejects(db, companyId, actor, id, filter);
      return c.body(
        csvStream(REJECT_COLUMNS, rows, format, breakOff(c)),
        200,
        csvHeaders('recusados'),
      );
    });
}
