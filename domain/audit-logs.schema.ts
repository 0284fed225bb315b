import { z } from 'zod';

const instant = z.iso.datetime({ offset: true }).optional();

export const AuditLogFilter = z.object({
  actorId: z.uuid().optional(),
  actorType: z.enum(['user', 'key', 'system']).optional(),
  entityType: z.string().max(100).optional(),
  entityId: z.string().max(100).optional(),
  /** `<entity>.<verb>`, as `wallet.create`. */
  action: z.string().max(100).optional(),
  createdFrom: instant,
  /** The first instant that is too late. */
  createdUntil: instant,
});
export type AuditLogFilter = z.infer<typeof AuditLogFilter>;
