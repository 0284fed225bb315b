import { recordAudit, type AuditActor, type AuditEntry } from '../prisma/audit-logs';
import type { Database } from '../prisma/client';
import { completeIdempotentWrite } from '../prisma/idempotency-keys';
import { withTenant, type TenantOptions, type TenantTx } from '../prisma/tenant';
import { actorOf, type AppContext } from './context';

export type Audit = (entry: AuditEntry) => Promise<void>;

export interface WriteOptions<T> extends TenantOptions {
  /** What a repetition is answered with, where the answer itself shows a secret once. */
  remember?: (body: T) => unknown;
}

/**
 * The one way in which the API changes something: effect, audit line and remembered answer in one transaction.
 * `work` returns the body of the answer; `status` is the status that a repetition is answered with.
 */
export async function write<T>(
  c: AppContext,
  db: Database,
  status: number,
  work: (tx: TenantTx, audit: Audit) => Promise<T>,
  { remember = (body) => body, ...options }: WriteOptions<T> = {},
): Promise<T> {
  const { companyId } = actorOf(c);
  const idempotent = c.get('idempotentWrite');
  const run = async (tx: TenantTx): Promise<T> => {
    const body = await work(tx, auditIn(c, tx));
    if (idempotent !== undefined)
      await completeIdempotentWrite(tx, idempotent, status, remember(body));
    return body;
  };
  return withTenant(db, companyId, run, options);
}

/** Writes lines of whoever asks into this transaction, for effects that `write` cannot hold in one. */
export function auditIn(c: AppContext, tx: TenantTx): Audit {
  const { companyId } = actorOf(c);
  return (entry) => recordAudit(tx, companyId, auditActor(c), entry);
}

export function auditActor(c: AppContext): AuditActor {
  const { type, id } = actorOf(c);
  return auditAs(c, type, id);
}

/** For routes without a token, on which the body proves who it is, or nothing does (`system`). */
export function auditAs(
  c: AppContext,
  actorType: AuditActor['actorType'],
  actorId: string | null,
): AuditActor {
  return {
    actorType,
    actorId,
    ipAddress: c.get('ipAddress'),
    userAgent: c.req.header('user-agent')?.slice(0, 400) ?? null,
    requestId: c.get('requestId'),
  };
}
