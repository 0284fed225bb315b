import { lookupWebhook, type WebhookRoute } from '../../prisma/delivery-events';
import type { Database } from '../../prisma/client';
import type { Encryption } from '../../prisma/encryption';
import { readProviderAccount } from '../../prisma/provider-accounts';
import { withTenant } from '../../prisma/tenant';

/** Whose callbacks come to a path, and what they are verified with. */
export interface WebhookAccount extends WebhookRoute {
  config: Record<string, unknown>;
}

export interface WebhookAccounts {
  /** Nothing for a token that leads nowhere. Throws as the database does. */
  find(token: string): Promise<WebhookAccount | undefined>;
}

const MOST_KEPT = 10_000;

interface Kept {
  account: Promise<WebhookAccount | undefined>;
  untilMs: number;
}

/**
 * A vendor sends thousands of callbacks a second to one path: its account is read once every few seconds.
 * @param keptMs how long a changed or removed secret goes on being taken here
 */
export function createWebhookAccounts(
  db: Database,
  encryption: Encryption,
  keptMs = 5_000,
): WebhookAccounts {
  const kept = new Map<string, Kept>();

  const read = async (token: string): Promise<WebhookAccount | undefined> => {
    const route = await lookupWebhook(db, token);
    if (route === undefined) return undefined;
    const { config } = await withTenant(db, route.companyId, (tx) =>
      readProviderAccount(tx, encryption, route.credentialId),
    );
    return { ...route, config };
  };

  /** Only what leads somewhere is kept, so that guesses cannot push real accounts out. */
  const forgetUnlessFound = async (token: string, entry: Kept): Promise<void> => {
    const found = await entry.account.catch(() => undefined);
    if (found === undefined && kept.get(token) === entry) kept.delete(token);
  };

  return {
    find(token) {
      const nowMs = performance.now();
      const known = kept.get(token);
      if (known !== undefined && known.untilMs > nowMs) return known.account;
      const entry = { account: read(token), untilMs: nowMs + keptMs };
      // Anew at the end, so that the first one in the map is the one read longest ago.
      kept.delete(token);
      kept.set(token, entry);
      void forgetUnlessFound(token, entry);
      const [oldest] = kept.keys();
      if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
      return entry.account;
    },
  };
}
