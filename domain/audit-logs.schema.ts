import { z } from 'zod';

const instant = z.iso.datetime({ offset: true }).optional();

export const AuditLogFilter = z.object({
  actorId: z.uuid().optional(),
  actorType: z.enum(['user', 'key', 'system']).optional(),
  entityType: z.string().max(100).optional(),
  entityId: z.string().max(100).optional(),
  action: z.string().max(100).optional().describe('`<entity>.<verb>`, as `wallet.create`.'),
  createdFrom: instant.describe('The first instant.'),
  createdUntil: instant.describe('The first instant that is too late.'),
});
export type AuditLogFilter = z.infer<typeof AuditLogFilter>;
