import type { AuditLogFilter } from '../domain/audit-logs.schema';
import type { AuditLog, Prisma } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

/** Who did it and from where; `actorId` is null for the system itself. */
export interface AuditActor {
  actorType: 'user' | 'key' | 'system';
  actorId: string | null;
  ipAddress: string | null;
  userAgent: string | null;
  requestId: string | null;
}

export interface AuditEntry {
  /** `<entity>.<verb>`, as `wallet.create`. */
  action: string;
  entityType: string;
  entityId: string;
  before?: unknown;
  after?: unknown;
}

/** How the audit names a good login. */
export const LOGIN_ACTION = 'user.login';

export const SYSTEM_ACTOR: AuditActor = {
  actorType: 'system',
  actorId: null,
  ipAddress: null,
  userAgent: null,
  requestId: null,
};

const SECRET_FIELD = /password|token|secret|hash|encrypted|pendingdelivery|^config$|^key$/i;

/** Writes one line of the audit in the transaction of the change, with secrets redacted. */
export async function recordAudit(
  tx: TenantTx,
  companyId: string,
  actor: AuditActor,
  entry: AuditEntry,
): Promise<void> {
  const { action, entityType, entityId, before, after } = entry;
  await tx.auditLog.create({
    data: {
      companyId,
      ...actor,
      action,
      entityType,
      entityId,
      changes: { before: redact(before), after: redact(after) },
    },
  });
}

/** A JSON copy in which fields that hold secrets say only that there was something. */
function redact(value: unknown): Prisma.InputJsonValue | null {
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value, (key, inner: unknown) =>
    key !== '' && SECRET_FIELD.test(key) && inner !== null ? '[redacted]' : inner,
  );
  return JSON.parse(text) as Prisma.InputJsonValue;
}

/** The company's audit, newest first. */
export async function listAuditLogs(
  tx: TenantTx,
  { createdFrom, createdUntil, ...filter }: AuditLogFilter,
  { after, ...page }: PageArgs,
): Promise<AuditLog[]> {
  const createdAt = { gte: createdFrom, lt: createdUntil };
  return tx.auditLog.findMany({ where: { ...after, ...filter, createdAt }, ...page });
}

/** Whether this person has logged in from this address lately, sessions that have ended included. */
export async function hasLoggedInFrom(
  tx: TenantTx,
  userId: string,
  ipAddress: string,
  since: Date,
): Promise<boolean> {
  const found = await tx.auditLog.findFirst({
    where: {
      entityType: 'user',
      entityId: userId,
      action: LOGIN_ACTION,
      ipAddress,
      createdAt: { gte: since },
    },
    select: { id: true },
  });
  return found !== null;
}
