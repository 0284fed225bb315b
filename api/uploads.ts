import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { AppContext } from './context';

/** As the check of a route's body reads it, which takes every `+json` for JSON. */
const JSON_TYPE = /^\s*application\/([\w.-]+\+)?json\s*(;|$)/i;

/** Whether the body says that it is JSON. */
export function sendsJson(c: AppContext): boolean {
  return JSON_TYPE.test(c.req.header('content-type') ?? '');
}

/** The body as a stream, also where the check of an Idempotency-Key has read a small one already. */
export async function uploadOf(c: AppContext): Promise<Readable> {
  const { body, bodyUsed } = c.req.raw;
  if (bodyUsed) return Readable.from([Buffer.from(await c.req.arrayBuffer())]);
  return body === null ? Readable.from([]) : Readable.fromWeb(body as WebStream<Uint8Array>);
}

const DISCARD_BYTES = 64 * 1024 * 1024;
const DISCARD_MS = 2_000;

/**
 * Reads on without keeping what the client still sends of a file that was refused, so that it hears the answer and can
 * go on with its connection. Of a client that has much more to send, the connection ends with the answer.
 */
export async function discardRest(c: AppContext, file: Readable): Promise<void> {
  if (file.destroyed || file.readableEnded) return;
  let timer: NodeJS.Timeout | undefined;
  const ended = await new Promise<boolean>((resolve) => {
    let bytes = 0;
    timer = setTimeout(resolve, DISCARD_MS, false);
    file.on('data', (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
      if (bytes > DISCARD_BYTES) resolve(false);
    });
    for (const end of ['end', 'error', 'close']) file.once(end, () => resolve(true));
    file.resume();
  });
  clearTimeout(timer);
  if (ended) return;
  file.pause();
  c.header('Connection', 'close');
}
