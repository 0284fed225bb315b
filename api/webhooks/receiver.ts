import { RegenteError } from '../../domain/errors';
import { vendorFor } from '../../providers/messaging/index';
import type { ApiDeps } from '../context';
import { createWebhookAccounts } from './accounts';
import { createWebhookIntake } from './intake';

/** What arrived at the path that an account was given. */
export interface Callback {
  provider: string;
  token: string;
  headers: Record<string, string>;
  rawBody: string;
}

export interface WebhookReceiver {
  /**
   * Verifies and stores; answers, once they are committed, how many of the events were new. Throws NOT_FOUND,
   * UNAUTHENTICATED or VALIDATION, and as the database does.
   */
  receive(callback: Callback): Promise<number>;
}

/** One per process, so that whichever way callbacks come in, they share accounts and commits. */
export function createWebhookReceiver({
  db,
  encryption,
}: Pick<ApiDeps, 'db' | 'encryption'>): WebhookReceiver {
  const accounts = createWebhookAccounts(db, encryption);
  const intake = createWebhookIntake(db);
  return {
    async receive({ provider, token, headers, rawBody }) {
      const account = await accounts.find(token);
      if (account === undefined || account.provider !== provider)
        throw new RegenteError('NOT_FOUND', 'There is no such webhook.');
      const now = new Date();
      const verdict = vendorFor(provider).verifyWebhook(account.config, { headers, rawBody, now });
      if (!verdict.ok) {
        throw verdict.reason === 'payload'
          ? new RegenteError('VALIDATION', 'The payload is not one of this vendor.', {
              fields: [{ pointer: '', detail: 'is not what this vendor documents' }],
            })
          : new RegenteError('UNAUTHENTICATED', `The webhook's ${verdict.reason} is not valid.`);
      }
      return intake.store(account, verdict.events, rawBody);
    },
  };
}
