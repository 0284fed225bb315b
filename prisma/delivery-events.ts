import type { Database } from './client';
import { callDispatch } from './dispatch/call';
import { queryAcross } from './tenant';

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

/** Stores verified events; one that is there already is left alone. Answers the ids of those that were new. */
export async function storeEvents(
  db: Database,
  { companyId, credentialId }: Pick<WebhookRoute, 'companyId' | 'credentialId'>,
  events: readonly InboxEvent[],
): Promise<string[]> {
  const { stored } = await callDispatch<{ stored: string[] | null }>(db, 'store_delivery_events', [
    companyId,
    credentialId,
    events.map((event) => event.eventId),
    events.map((event) => event.providerId),
    events.map((event) => event.reference),
    events.map((event) => event.status),
    events.map((event) => event.errorCode),
    events.map((event) => event.occurredAt.toISOString()),
  ]);
  return stored ?? [];
}

/** After this long an event that matches nothing is given up. */
const MAX_AGE = '3 days';

/** What one round over all companies has looked at, and whether one of them had as many due events as a round takes. */
export interface AppliedRound {
  picked: number;
  isFull: boolean;
}

/**
 * Applies up to `limit` due events per company to the ledger. A company whose events cannot be applied holds up no
 * other; the first such error is thrown when all have had their turn.
 */
export async function applyDueEvents(db: Database, limit: number): Promise<AppliedRound> {
  const companies = await queryAcross<{ companyId: string }>(
    db,
    'SELECT company_id AS "companyId" FROM companies_with_due_events()',
  );
  const round: AppliedRound = { picked: 0, isFull: false };
  const errors: unknown[] = [];
  for (const { companyId } of companies) {
    try {
      const { picked } = await callDispatch<{ picked: number }>(db, 'apply_delivery_events', [
        companyId,
        limit,
        MAX_AGE,
      ]);
      round.picked += picked;
      round.isFull ||= picked >= limit;
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return round;
}
