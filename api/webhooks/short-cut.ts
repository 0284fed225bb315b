import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http';
import type { Logger } from '../../telemetry';
import { TRACE_HEADER } from '../../telemetry/traces';
import { BODY_LIMIT_BYTES } from '../body-limit';
import { problemOf, type PlainAnswer } from '../errors';
import { recordRequest, requestIdOf, traceRequest, WEBHOOK_ROUTE } from '../request-log';
import type { WebhookReceiver } from './receiver';

/** A path as we hand them out, and parameters in which nothing is encoded. */
const USUAL_PATH = /^\/v1\/webhooks\/([\w-]{1,50})\/([\w-]{1,200})(?:\?[\w.&=-]*)?$/;

const JSON_HEADERS = { 'content-type': 'application/json' };

/**
 * Answers callbacks of the usual shape, a small body of an announced length, without the framework that all other
 * routes are written in: its request objects, streams and middleware cost several times what a callback itself does.
 * The answers are those of the route, without the headers that are for browsers. Everything else goes on to `others`.
 */
export function createShortCut(
  receiver: WebhookReceiver,
  logger: Logger,
  others: RequestListener,
): RequestListener {
  const outcomeOf = (
    { provider, token }: Path,
    headers: Record<string, string>,
    rawBody: string,
    requestId: string,
  ): Promise<PlainAnswer> =>
    receiver.receive({ provider, token, headers, rawBody }).then(
      (stored) => ({ status: 200, headers: JSON_HEADERS, body: JSON.stringify({ stored }) }),
      (error: unknown) => problemOf(error, { requestId, route: WEBHOOK_ROUTE, logger }),
    );

  return (request, response) => {
    const path = usualPath(request);
    if (path === null) return others(request, response);
    const startedMs = performance.now();

    const answer = async (rawBody: string): Promise<void> => {
      const headers = textsOf(request.headers);
      const requestId = requestIdOf(headers['x-request-id']);
      const record = await traceRequest('POST', headers[TRACE_HEADER], async () => {
        const outcome = await outcomeOf(path, headers, rawBody, requestId);
        const { status, body } = outcome;
        response.writeHead(status, {
          ...outcome.headers,
          'X-Request-Id': requestId,
          'Content-Length': Buffer.byteLength(body),
        });
        response.end(body);
        return { method: 'POST', route: WEBHOOK_ROUTE, status, requestId };
      });
      recordRequest(logger, record, startedMs);
    };

    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Of a request that breaks off there is no end, and nobody to answer.
    request.on('end', () => {
      answer(Buffer.concat(chunks).toString()).catch((error: unknown) => {
        logger.error({ err: error, route: WEBHOOK_ROUTE }, 'callback failed');
        if (!response.writableEnded) response.destroy();
      });
    });
  };
}

interface Path {
  provider: string;
  token: string;
}

function usualPath({ method, url = '', headers }: IncomingMessage): Path | null {
  if (method !== 'POST') return null;
  const [, provider, token] = USUAL_PATH.exec(url) ?? [];
  if (provider === undefined || token === undefined) return null;
  const isSmall =
    headers['transfer-encoding'] === undefined &&
    Number(headers['content-length'] ?? Number.NaN) <= BODY_LIMIT_BYTES;
  return isSmall ? { provider, token } : null;
}

/** Only `set-cookie`, which no request has, would be a list. */
function textsOf(headers: IncomingHttpHeaders): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'string') texts[name] = value;
  }
  return texts;
}
