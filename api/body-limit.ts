import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { RegenteError } from '../domain/errors';
import type { AppContext, AppEnv } from './context';
import { sendsJson } from './uploads';

/** Of every body but files and lists. */
export const BODY_LIMIT_BYTES = 1_048_576;

/** A file as JSON is a small list, which is read at once. */
const LIST_LIMIT_BYTES = 16 * BODY_LIMIT_BYTES;

/** Clients that are answered while they still write mostly never read the answer, so this much is heard out first. */
const HEARD_OUT_BYTES = 128 * BODY_LIMIT_BYTES;

/** Of a whole body that is kept in memory until it is there. */
const WITHIN_MS = 300_000;

/**
 * Reads the body. Refuses those over 1 MB with PAYLOAD_TOO_LARGE, whether their length is announced or not, and those
 * that are not there in time with VALIDATION. Where a route takes files, lists may have 16 MB, and the files themselves
 * are left to whoever reads them.
 */
export function limitBody({
  takesFiles,
  withinMs = WITHIN_MS,
}: {
  takesFiles: boolean;
  withinMs?: number;
}): MiddlewareHandler<AppEnv> {
  return createMiddleware<AppEnv>(async (c, next) => {
    const { body, headers } = c.req.raw;
    if (body === null) return next();
    if (takesFiles && !sendsJson(c)) return next();
    const limitBytes = takesFiles ? LIST_LIMIT_BYTES : BODY_LIMIT_BYTES;
    const announced = headers.has('transfer-encoding') ? null : headers.get('content-length');
    if (announced !== null && Number(announced) <= limitBytes) {
      await inTime(c, c.req.arrayBuffer(), withinMs);
      return next();
    }

    const reading = readUpTo(body, limitBytes, HEARD_OUT_BYTES);
    const { chunks, size, ended } = await inTime(c, reading, withinMs);
    if (size <= limitBytes) {
      c.req.raw = new Request(c.req.raw, { method: c.req.method, body: Buffer.concat(chunks) });
      return next();
    }
    if (!ended) closeAfterAnswer(c);
    const limit = `${limitBytes / BODY_LIMIT_BYTES} MB`;
    throw new RegenteError('PAYLOAD_TOO_LARGE', `The body is larger than ${limit}.`);
  });
}

/** Keeps the first `keepBytes` and reads on, without keeping, until the end or `stopBytes`. */
async function readUpTo(
  body: ReadableStream<Uint8Array>,
  keepBytes: number,
  stopBytes: number,
): Promise<{ chunks: Uint8Array[]; size: number; ended: boolean }> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size <= stopBytes) {
    const { done, value } = await reader.read();
    if (done) return { chunks, size, ended: true };
    size += value.byteLength;
    if (size <= keepBytes) chunks.push(value);
  }
  await reader.cancel();
  return { chunks, size, ended: false };
}

/**
 * Waits for a body that is read whole. One that comes no further ends with the connection on which the refusal goes out;
 * that and one that breaks off throw VALIDATION.
 */
export async function inTime<T>(
  c: AppContext,
  reading: Promise<T>,
  withinMs = WITHIN_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      closeAfterAnswer(c);
      const message = 'The body took too long to arrive. Send it again.';
      reject(new RegenteError('VALIDATION', message));
    }, withinMs);
  });
  // Nobody hears of it, but the log does, where it is no mistake of ours.
  const whole = reading.catch((cause: unknown) => {
    const message = 'The body broke off before its end. Send it again.';
    throw new RegenteError('VALIDATION', message, { cause });
  });
  try {
    return await Promise.race([whole, late]);
  } finally {
    clearTimeout(timer);
  }
}

function closeAfterAnswer(c: AppContext): void {
  c.header('Connection', 'close');
}
