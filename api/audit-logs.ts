import { z } from '@hono/zod-openapi';
import { AuditLogFilter } from '../domain/audit-logs.schema';
import { listAuditLogs } from '../prisma/audit-logs';
import type { AuditLog as AuditLogRow } from '../prisma/generated/client';
import { withTenant } from '../prisma/tenant';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, json } from './routes';

const AuditLog = z
  .object({
    id: z.uuid(),
    actorType: z.string(),
    actorId: z.uuid().nullable(),
    action: z.string(),
    entityType: z.string(),
    entityId: z.string(),
    changes: z.record(z.string(), z.unknown()).describe('`{ before, after }`, secrets redacted.'),
    ipAddress: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
    createdAt: z.iso.datetime(),
  })
  .openapi('AuditLog');

const show = (row: AuditLogRow) => ({
  id: row.id,
  actorType: row.actorType,
  actorId: row.actorId,
  action: row.action,
  entityType: row.entityType,
  entityId: row.entityId,
  changes: row.changes as Record<string, unknown>,
  ipAddress: row.ipAddress,
  userAgent: row.userAgent,
  requestId: row.requestId,
  createdAt: row.createdAt.toISOString(),
});

const list = defineRoute('audit:read', {
  method: 'get',
  path: '/',
  tags: ['Audit'],
  operationId: 'listAuditLogs',
  summary: 'List what was changed, and by whom',
  request: { query: PageQuery.extend(AuditLogFilter.shape) },
  responses: { 200: json(pageOf(AuditLog), 'A page of the audit, newest first') },
});

export function auditLogRoutes({ db }: ApiDeps) {
  return createRouter().openapi(list, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid('query');
    const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
      listAuditLogs(tx, filter, pageArgs({ limit, cursor })),
    );
    return c.json(page(rows, limit, show), 200);
  });
}
