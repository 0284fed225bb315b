import type { RequestListener } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createApp } from './app';
import type { ApiDeps } from './context';
import { createWebhookReceiver } from './webhooks/receiver';
import { createShortCut } from './webhooks/short-cut';

/** The whole API as `node:http` calls it: the callbacks of vendors by their short cut, everything else as the app says. */
export function createListener(deps: ApiDeps): RequestListener {
  const receiver = createWebhookReceiver(deps);
  const answer = getRequestListener(createApp(deps, receiver).fetch);
  return createShortCut(
    receiver,
    deps.logger,
    (request, response) => void answer(request, response),
  );
}
