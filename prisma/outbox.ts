import type { Database } from './client';
import { queryAcross, withTenant } from './tenant';

export interface OutboxEntry {
  id: string;
  companyId: string;
  topic: 'execution' | 'notice';
  subjectId: string;
  /** The span of the request that made the change, where traces are on. */
  traceParent: string | null;
}

/** What the engine has not been told yet, across companies, oldest first. */
export async function listDueOutbox(db: Database, limit: number): Promise<OutboxEntry[]> {
  return queryAcross(
    db,
    `SELECT id, company_id AS "companyId", topic, subject_id AS "subjectId", trace_parent AS "traceParent" FROM outbox_due($1)`,
    [limit],
  );
}

export async function markDelivered(db: Database, entry: OutboxEntry): Promise<void> {
  await withTenant(db, entry.companyId, (tx) =>
    tx.outbox.updateMany({
      where: { id: entry.id, deliveredAt: null },
      data: { deliveredAt: new Date() },
    }),
  );
}

/** Tried again after 1 s, 2 s, 4 s … at most a minute. */
export async function postpone(db: Database, entry: OutboxEntry): Promise<void> {
  await withTenant(
    db,
    entry.companyId,
    (tx) => tx.$executeRaw`
      UPDATE outbox SET attempts = attempts + 1,
        next_attempt_at = now() + least(interval '1 minute', interval '1 second' * power(2, least(attempts, 10)))
      WHERE id = ${entry.id}::uuid`,
  );
}

export interface OpenExecution {
  id: string;
  companyId: string;
}

/** Executions that have not ended, across companies, by id. */
export async function listOpenExecutions(
  db: Database,
  after: string,
  limit: number,
): Promise<OpenExecution[]> {
  return queryAcross(db, 'SELECT id, company_id AS "companyId" FROM open_executions($1, $2)', [
    after,
    limit,
  ]);
}
