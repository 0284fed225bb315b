import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { RegenteError } from '../../domain/errors';
import type { Contents, Part } from '../../prisma/ledger-archives/index';

/** The rows carry addresses: nobody but the user of this command reads them. */
const PRIVATE = 0o600;

export const partFile = (folder: string, part: Part): string => join(folder, `${part}.csv.gz`);

/** Writes a file under another name, to the disk, and only then gives it its own: it is there whole, or as it was. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const unfinished = `${file}.unfinished`;
  await writeFile(unfinished, text, { mode: PRIVATE });
  await keep(unfinished, file);
}

/** `writeWhole` of what `produce` writes, compressed. */
export async function writeCompressed<T>(
  file: string,
  produce: (sink: Writable) => Promise<T>,
): Promise<T> {
  const unfinished = `${file}.unfinished`;
  const gzip = createGzip();
  const written = pipeline(gzip, createWriteStream(unfinished, { mode: PRIVATE }));
  const [result] = await Promise.all([produce(gzip), written]);
  await keep(unfinished, file);
  return result;
}

async function keep(unfinished: string, file: string): Promise<void> {
  await sync(unfinished);
  await rename(unfinished, file);
  await sync(dirname(file));
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

/** The CSV of a part as it is in the archive. */
export function openPart(folder: string, part: Part): Readable {
  const file = createReadStream(partFile(folder, part));
  const unpacked = createGunzip();
  file.on('error', (error) => unpacked.destroy(error));
  return file.pipe(unpacked);
}

/**
 * Reads a part back from the disk. Throws VALIDATION when its rows, bytes or hash are not those that the manifest names,
 * or when it cannot be read to its end.
 */
export async function verifyPart(folder: string, part: Part, expected: Contents): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  let lines = 0;
  let isQuoted = false;
  const check = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      for (const byte of chunk) {
        // A quote within quotes is doubled, so it opens at once what it has closed.
        if (byte === QUOTE) isQuoted = !isQuoted;
        else if (byte === LINE_FEED && !isQuoted) lines += 1;
      }
      done();
    },
  });
  const broken = (cause?: unknown) =>
    new RegenteError(
      'VALIDATION',
      `${partFile(folder, part)} is not what was archived: it is damaged, incomplete or of another archive.`,
      { cause },
    );
  try {
    await pipeline(openPart(folder, part), check);
  } catch (error) {
    throw broken(error);
  }
  const found = { rows: lines - 1, bytes, sha256: hash.digest('hex') };
  const { rows, bytes: size, sha256 } = expected;
  if (found.rows !== rows || found.bytes !== size || found.sha256 !== sha256) throw broken();
}

const QUOTE = 0x22;
const LINE_FEED = 0x0a;
