import { z } from '@hono/zod-openapi';
import { createRouter, defineRoute, json } from '../routes';
import type { WebhookReceiver } from './receiver';

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

/**
 * What vendors tell us: verified on the raw body, stored, answered; a worker applies it to the ledger. Most of it does not
 * come this way but by the short cut.
 */
export function webhookRoutes(receiver: WebhookReceiver) {
  return createRouter().openapi(receive, async (c) => {
    const stored = await receiver.receive({
      ...c.req.valid('param'),
      headers: Object.fromEntries(c.req.raw.headers),
      // As the bytes came: `text()` would leave out a byte order mark, and the signature is over that too.
      rawBody: Buffer.from(await c.req.arrayBuffer()).toString(),
    });
    return c.json({ stored }, 200);
  });
}
