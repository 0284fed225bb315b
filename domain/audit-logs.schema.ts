import { z } from 'zod';
import { Instant } from './instants.schema';

export const AuditLogFilter = z.object({
  actorId: z.uuid().optional(),
  actorType: z.enum(['user', 'key', 'system']).optional(),
  entityType: z.string().max(100).optional(),
  entityId: z.string().max(100).optional(),
  action: z.string().max(100).optional().describe('`<entity>.<verb>`, as `wallet.create`.'),
  createdFrom: Instant.optional().describe('The first instant.'),
  createdUntil: Instant.optional().describe('The first instant that is too late.'),
});
export type AuditLogFilter = z.infer<typeof AuditLogFilter>;
