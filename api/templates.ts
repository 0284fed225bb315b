import { z } from '@hono/zod-openapi';
import { checkTemplate, previewTemplate } from '../domain/templates';
import {
  TemplateDraft,
  TemplateFilter,
  TemplateInput,
  TemplatePatch,
  TemplateValues,
} from '../domain/templates.schema';
import type { Template as TemplateRow } from '../prisma/generated/client';
import {
  createTemplate,
  deleteTemplate,
  getTemplate,
  listTemplates,
  textOf,
  updateTemplate,
} from '../prisma/templates';
import { held } from '../prisma/held-rows';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Template = z
  .object({
    id: z.uuid(),
    name: z.string(),
    templateCode: z.string(),
    content: z.string(),
    variables: z.record(z.string(), z.string()),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Template');

const Preview = z
  .object({
    text: z.string(),
    missing: z.array(z.string()),
    sms: z.object({
      encoding: z.enum(['gsm7', 'ucs2']),
      units: z.int(),
      segments: z.int(),
    }),
  })
  .openapi('TemplatePreview');

const show = (row: TemplateRow) => ({
  id: row.id,
  name: row.name,
  templateCode: row.templateCode,
  ...textOf(row),
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Templates'];
const one = { 200: json(Template, 'The template') };

const list = defineRoute('templates:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listTemplates',
  summary: 'List templates',
  request: { query: PageQuery.extend(TemplateFilter.shape) },
  responses: { 200: json(pageOf(Template), 'A page of templates') },
});
const create = defineRoute('templates:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createTemplate',
  summary: 'Create a template',
  request: { body: jsonBody(TemplateInput) },
  responses: { 201: json(Template, 'The new template') },
});
const get = defineRoute('templates:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getTemplate',
  summary: 'Show a template',
  request: { params: IdParam },
  responses: one,
});
const update = defineRoute('templates:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateTemplate',
  summary: 'Change a template',
  description:
    'Another code, content or variables make drafts of the campaigns that wait for approval with this template; what is ' +
    'approved keeps its text.',
  request: { params: IdParam, body: jsonBody(TemplatePatch) },
  responses: one,
});
const remove = defineRoute('templates:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteTemplate',
  summary: 'Delete a template',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});
const preview = defineRoute('templates:read', {
  method: 'post',
  path: '/{id}/preview',
  tags,
  operationId: 'previewTemplate',
  summary: 'Show a template with one person’s values',
  request: { params: IdParam, body: jsonBody(TemplateValues) },
  responses: { 200: json(Preview, 'The template with these values') },
});
const previewDraft = defineRoute('templates:read', {
  method: 'post',
  path: '/preview',
  tags,
  operationId: 'previewTemplateDraft',
  summary: 'Show a template that is not stored yet',
  request: { body: jsonBody(TemplateDraft) },
  responses: { 200: json(Preview, 'The text with these values') },
});

export function templateRoutes(deps: ApiDeps) {
  return storedTemplates(deps).route('/', templatePreviews(deps));
}

function storedTemplates({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listTemplates(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, show), 200);
    })
    .openapi(create, async (c) => {
      const { companyId } = actorOf(c);
      const template = await write(c, db, 201, async (tx, audit) => {
        const after = await createTemplate(tx, companyId, c.req.valid('json'));
        await audit({
          action: 'template.create',
          entityType: 'template',
          entityId: after.id,
          after,
        });
        return show(after);
      });
      return c.json(template, 201);
    })
    .openapi(get, async (c) => {
      const template = await withTenant(db, actorOf(c).companyId, (tx) =>
        getTemplate(tx, c.req.valid('param').id),
      );
      return c.json(show(template), 200);
    })
    .openapi(update, async (c) => {
      const { id } = c.req.valid('param');
      const template = await write(c, db, 200, async (tx, audit) => {
        const { before, after, dropped } = await updateTemplate(tx, id, c.req.valid('json'));
        const entity = { entityType: 'template', entityId: id };
        await audit({ action: 'template.update', ...entity, before, after });
        for (const campaign of dropped)
          await audit({
            action: 'campaign.drop_submission',
            entityType: 'campaign',
            entityId: campaign.after.id,
            before: campaign.before,
            after: campaign.after,
          });
        return show(after);
      });
      return c.json(template, 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await held(tx, 'templates', id, getTemplate);
        await deleteTemplate(tx, id);
        await audit({ action: 'template.delete', entityType: 'template', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}

/** They change nothing; `write` only remembers their answers for an Idempotency-Key. */
function templatePreviews({ db }: ApiDeps) {
  return createRouter()
    .openapi(preview, async (c) => {
      const { values } = c.req.valid('json');
      const preview = await write(c, db, 200, async (tx) =>
        previewTemplate(textOf(await getTemplate(tx, c.req.valid('param').id)), values),
      );
      return c.json(preview, 200);
    })
    .openapi(previewDraft, async (c) => {
      const { values, ...template } = c.req.valid('json');
      const preview = await write(c, db, 200, async () => {
        checkTemplate(template);
        return previewTemplate(template, values);
      });
      return c.json(preview, 200);
    });
}
