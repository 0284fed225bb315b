import { z } from '@hono/zod-openapi';
import { RegenteError } from '../../domain/errors';
import { vendorFor } from '../../providers/messaging/index';
import type { ApiDeps } from '../context';
import { createRouter, defineRoute, json } from '../routes';
import { createWebhookAccounts } from './accounts';
import { createWebhookIntake } from './intake';

const receive = defineRoute('anyone', {
  method: 'post',
  path: '/{provider}/{token}',
  tags: ['Webhooks'],
  operationId: 'receiveWebhook',
  summary: 'Take what a vendor reports',
  request: {
    params: z.object({ provider: z.string().max(50), token: z.string().max(200) }),
    // Vendors may add parameters of their own.
    query: z.looseObject({}),
  },
  responses: { 200: json(z.object({ stored: z.int() }), 'Stored; it is applied within moments') },
});

/** What vendors tell us: verified on the raw body, stored, answered; a worker applies it to the ledger. */
export function webhookRoutes({ db, encryption }: ApiDeps) {
  const accounts = createWebhookAccounts(db, encryption);
  const intake = createWebhookIntake(db);
  return createRouter().openapi(receive, async (c) => {
    const { provider, token } = c.req.valid('param');
    const account = await accounts.find(token);
    if (account === undefined || account.provider !== provider)
      throw new RegenteError('NOT_FOUND', 'There is no such webhook.');
    const verdict = vendorFor(provider).verifyWebhook(account.config, {
      headers: Object.fromEntries(c.req.raw.headers),
      rawBody: await c.req.text(),
      now: new Date(),
    });
    if (!verdict.ok) {
      throw verdict.reason === 'payload'
        ? new RegenteError('VALIDATION', 'The payload is not one of this vendor.')
        : new RegenteError('UNAUTHENTICATED', `The webhook's ${verdict.reason} is not valid.`);
    }
    return c.json({ stored: await intake.store(account, verdict.events) }, 200);
  });
}
