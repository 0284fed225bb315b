import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { AppContext } from './context';

/** The body as a stream, also where the check of an Idempotency-Key has read a small one already. */
export async function uploadOf(c: AppContext): Promise<Readable> {
  const { body, bodyUsed } = c.req.raw;
  if (bodyUsed) return Readable.from([Buffer.from(await c.req.arrayBuffer())]);
  return body === null ? Readable.from([]) : Readable.fromWeb(body as WebStream<Uint8Array>);
}
