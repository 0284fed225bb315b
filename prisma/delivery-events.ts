import type { Database } from './client';
import { callDispatch } from './dispatch/call';
import { queryAcross, withTenantConnection } from './tenant';

/** Where a vendor's callback belongs, found by the secret part of its path. */
export interface WebhookRoute {
  credentialId: string;
  companyId: string;
  provider: string;
}

/** Nothing for a path that nobody was given. */
export async function lookupWebhook(
  db: Database,
  token: string,
): Promise<WebhookRoute | undefined> {
  const [route] = await queryAcross<WebhookRoute>(
    db,
    `SELECT credential_id AS "credentialId", company_id AS "companyId", provider FROM lookup_webhook($1)`,
    [token],
  );
  return route;
}

export interface InboxEvent {
  eventId: string;
  providerId: string | null;
  reference: string | null;
  status: 'accepted' | 'delivered' | 'read' | 'clicked' | 'failed';
  errorCode: string | null;
  occurredAt: Date;
}

/** Stores verified events; one that is there already is left alone. Answers how many were new. */
export async function storeEvents(
  db: Database,
  route: WebhookRoute,
  events: readonly InboxEvent[],
): Promise<number> {
  return withTenantConnection(db, route.companyId, async (connection) => {
    const { rowCount } = await connection.query(
      `INSERT INTO webhook_inbox (company_id, credential_id, event_id, provider_id, reference, status, error_code, occurred_at)
       SELECT $1, $2, e.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]) e
       ON CONFLICT (credential_id, event_id) DO NOTHING`,
      [
        route.companyId,
        route.credentialId,
        events.map((event) => event.eventId),
        events.map((event) => event.providerId),
        events.map((event) => event.reference),
        events.map((event) => event.status),
        events.map((event) => event.errorCode),
        events.map((event) => event.occurredAt.toISOString()),
      ],
    );
    return rowCount ?? 0;
  });
}

/** After this long an event that matches nothing is given up. */
const MAX_AGE = '3 days';

/** Applies up to `limit` due events per company to the ledger. Answers how many were looked at. */
export async function applyDueEvents(db: Database, limit: number): Promise<number> {
  const companies = await queryAcross<{ companyId: string }>(
    db,
    'SELECT company_id AS "companyId" FROM companies_with_due_events()',
  );
  let picked = 0;
  for (const { companyId } of companies) {
    const result = await callDispatch<{ picked: number }>(db, 'apply_delivery_events', [
      companyId,
      limit,
      MAX_AGE,
    ]);
    picked += result.picked;
  }
  return picked;
}
