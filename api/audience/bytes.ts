import { createGunzip } from 'node:zlib';
import { pipeline, Readable } from 'node:stream';
import { RegenteError } from '../../domain/errors';

/** What is made of larger ones would outlive the collector's young generation, and be dear to collect. */
const PIECE_BYTES = 16 * 1024;

/** A stream of bytes whose beginning can be looked at before it is read; pieces are 16 KiB at most. */
export class PeekableBytes implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterator<Uint8Array>;
  #head: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The first bytes, `count` or more, fewer only when there are no more; reading still begins with them. */
  async peek(count: number): Promise<Buffer> {
    const parts = [this.#head];
    let length = this.#head.length;
    while (length < count && !this.#ended) {
      const next = await this.#source.next();
      if (next.done) {
        this.#ended = true;
        break;
      }
      parts.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      length += next.value.byteLength;
    }
    this.#head = Buffer.concat(parts, length);
    return this.#head;
  }

  /** Drops bytes that were peeked at. */
  skip(count: number): void {
    this.#head = this.#head.subarray(count);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      yield* pieces(this.#head);
      this.#head = Buffer.alloc(0);
      while (!this.#ended) {
        const next = await this.#source.next();
        if (next.done) return;
        yield* pieces(next.value);
      }
    } finally {
      await this.#source.return?.();
    }
  }

  /** Lets go of the source when nothing more will be read. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function* pieces(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, bytes.length - at);
    yield Buffer.from(bytes.buffer, bytes.byteOffset + at, length);
  }
}

/** Counts what passes and throws PAYLOAD_TOO_LARGE past the limit. */
export async function* limited(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.byteLength;
    if (total > maxBytes) {
      const limit = `${Math.floor(maxBytes / 1_000_000).toLocaleString('en')} MB`;
      throw new RegenteError('PAYLOAD_TOO_LARGE', `The file is larger than ${limit}. Split it.`, {
        details: { maxBytes },
      });
    }
    onBytes(chunk.byteLength);
    yield chunk;
  }
}

/** Counts what is read of a stream. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.byteLength);
    yield chunk;
  }
}

/** Unpacks gzip, several members one after the other too. What is cut short or damaged throws VALIDATION. */
export async function* gunzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  pipeline(Readable.from(chunks, { objectMode: false }), gunzip, () => {
    // Every failure also ends the loop below, with the same error.
  });
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    if (isZlibError(error)) {
      throw new RegenteError(
        'VALIDATION',
        'The gzip file is damaged or incomplete. Upload it again.',
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

function isZlibError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return typeof error.code === 'string' && error.code.startsWith('Z_');
}

/** Turns UTF-16, which Excel calls "Unicode text", into UTF-8. */
export async function* transcoded(
  chunks: AsyncIterable<Uint8Array>,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}
