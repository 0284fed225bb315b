import { z } from '@hono/zod-openapi';
import { RegenteError } from '../domain/errors';
import { lookupWebhook, storeEvents } from '../prisma/delivery-events';
import { readProviderAccount } from '../prisma/provider-accounts';
import { withTenant } from '../prisma/tenant';
import { vendorFor } from '../providers/messaging/index';
import type { ApiDeps } from './context';
import { createRouter, defineRoute, json } from './routes';

const receive = defineRoute('anyone', {
  method: 'post',
  path: '/{provider}/{token}',
  tags: ['Webhooks'],
  request: { params: z.object({ provider: z.string().max(50), token: z.string().max(200) }) },
  responses: { 200: json(z.object({ stored: z.int() }), 'Stored; it is applied within moments') },
});

/** What vendors tell us: verified on the raw body, stored, answered; a worker applies it to the ledger. */
export function webhookRoutes({ db, encryption }: ApiDeps) {
  return createRouter().openapi(receive, async (c) => {
    const { provider, token } = c.req.valid('param');
    const route = await lookupWebhook(db, token);
    if (route === undefined || route.provider !== provider)
      throw new RegenteError('NOT_FOUND', 'There is no such webhook.');
    const rawBody = await c.req.text();
    const account = await withTenant(db, route.companyId, (tx) =>
      readProviderAccount(tx, encryption, route.credentialId),
    );
    const verdict = vendorFor(provider).verifyWebhook(account.config, {
      headers: Object.fromEntries(c.req.raw.headers),
      rawBody,
      now: new Date(),
    });
    if (!verdict.ok) {
      throw verdict.reason === 'payload'
        ? new RegenteError('VALIDATION', 'The payload is not one of this vendor.')
        : new RegenteError('UNAUTHENTICATED', `The webhook's ${verdict.reason} is not valid.`);
    }
    const stored = verdict.events.length === 0 ? 0 : await storeEvents(db, route, verdict.events);
    return c.json({ stored }, 200);
  });
}
