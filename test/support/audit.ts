import type { Database } from '../../prisma/client';
import type { AuditLog } from '../../prisma/generated/client';
import { withTenant } from '../../prisma/tenant';

/** The audit of one entity, oldest first. */
export async function auditOf(
  db: Database,
  companyId: string,
  entityId: string,
): Promise<AuditLog[]> {
  return withTenant(db, companyId, (tx) =>
    tx.auditLog.findMany({ where: { entityId }, orderBy: { id: 'asc' } }),
  );
}
