import { z } from '@hono/zod-openapi';
import { companyFeatures, companySettings } from '../domain/companies';
import {
  CompanyFeatures,
  CompanyFilter,
  CompanyInput,
  CompanyPatch,
  CompanySettings,
} from '../domain/companies.schema';
import { RegenteError } from '../domain/errors';
import { PLATFORM_SLUG } from '../domain/permissions';
import { recordAudit } from '../prisma/audit-logs';
import {
  createCompanyWithin,
  getCompany,
  listCompanies,
  updateCompany,
  type ListedCompany,
} from '../prisma/companies';
import type { Company as CompanyRow } from '../prisma/generated/client';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageOf, PageQuery, readCursor } from './paging';
import { createRouter, defineRoute, json, jsonBody } from './routes';
import { auditActor, write } from './write';

const ListedCompany = z
  .object({
    id: z.uuid(),
    name: z.string(),
    slug: z.string(),
    domain: z.string().nullable(),
    timeZone: z.string(),
    currency: z.string(),
    createdAt: z.iso.datetime(),
  })
  .openapi('ListedCompany');

const Company = ListedCompany.extend({
  features: CompanyFeatures,
  settings: CompanySettings,
  updatedAt: z.iso.datetime(),
}).openapi('Company');

const showListed = (row: ListedCompany) => ({
  id: row.id,
  name: row.name,
  slug: row.slug,
  domain: row.domain,
  timeZone: row.timeZone,
  currency: row.currency,
  createdAt: row.createdAt.toISOString(),
});

const show = (row: CompanyRow) => ({
  ...showListed(row),
  features: companyFeatures(row.features),
  settings: companySettings(row.settings),
  updatedAt: row.updatedAt.toISOString(),
});

const tags = ['Companies'];
const one = { 200: json(Company, 'The company') };

const get = defineRoute('company:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'getCompany',
  summary: 'Show the company that is acted in',
  responses: one,
});
const update = defineRoute('company:write', {
  method: 'patch',
  path: '/',
  tags,
  operationId: 'updateCompany',
  summary: 'Change the company that is acted in',
  request: { body: jsonBody(CompanyPatch) },
  responses: one,
});
const list = defineRoute('companies:manage', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listCompanies',
  summary: 'List every company',
  request: { query: PageQuery.extend(CompanyFilter.shape) },
  responses: { 200: json(pageOf(ListedCompany), 'A page of every company') },
});
const create = defineRoute('companies:manage', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createCompany',
  summary: 'Create a company',
  request: { body: jsonBody(CompanyInput) },
  responses: { 201: json(Company, 'The new company; act in it with X-Company') },
});

/** The company that is acted in. */
export function companyRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(get, async (c) => {
      const company = await withTenant(db, actorOf(c).companyId, getCompany);
      return c.json(show(company), 200);
    })
    .openapi(update, async (c) => {
      const company = await write(c, db, 200, async (tx, audit) => {
        const { before, after } = await updateCompany(tx, c.req.valid('json'));
        const line = { action: 'company.update', entityType: 'company', entityId: after.id };
        await audit({ ...line, before, after });
        return show(after);
      });
      return c.json(company, 200);
    });
}

/** Every company, for the staff of the operator. */
export function companiesRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, text } = c.req.valid('query');
      const before = readCursor(cursor);
      const rows = await listCompanies(db, { text, before, limit: limit + 1 });
      return c.json(page(rows, limit, showListed), 200);
    })
    .openapi(create, async (c) => {
      const input = c.req.valid('json');
      if (input.slug === PLATFORM_SLUG) {
        throw new RegenteError('CONFLICT', 'This slug is the platform company’s; choose another.', {
          fields: [{ pointer: '/slug', detail: 'is taken' }],
        });
      }
      const company = await write(c, db, 201, (tx) =>
        createCompanyWithin(tx, input, async (_, after) => {
          const line = { action: 'company.create', entityType: 'company', entityId: after.id };
          await recordAudit(tx, after.id, auditActor(c), { ...line, after });
          return show(after);
        }),
      );
      return c.json(company, 201);
    });
}
