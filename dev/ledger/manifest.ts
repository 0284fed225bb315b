import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RegenteError } from '../../domain/errors';
import { PARTS, type Contents, type Part } from '../../prisma/ledger-archives/index';
import { writeWhole } from './files';

const PartEntry = z.object({
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  columns: z.array(z.string()).min(1),
});

const Manifest = z.object({
  format: z.literal(1),
  /** `YYYY-MM` */
  month: z.string(),
  parts: z.object({ communications: PartEntry, provider_messages: PartEntry }),
});

/** What an archive of one month holds. */
export interface Archive {
  month: string;
  parts: Record<Part, Contents>;
}

const FILE = 'manifest.json';

/** The folder of a month's archive. @param month `YYYY-MM` */
export const archiveFolder = (directory: string, month: string): string =>
  join(directory, `ledger-${month}`);

/** Written last, whole or not at all: with it, the archive is there. Answers its hash. */
export async function writeManifest(folder: string, { month, parts }: Archive): Promise<string> {
  const text = `${JSON.stringify({ format: 1, month, parts }, null, 2)}\n`;
  await writeWhole(join(folder, FILE), text);
  return hashOf(text);
}

/** Throws NOT_FOUND for a folder without an archive of this month, VALIDATION for one that cannot be read. */
export async function readManifest(
  folder: string,
  month: string,
): Promise<{ archive: Archive; hash: string }> {
  const text = await readFile(join(folder, FILE), 'utf8').catch((cause: unknown) => {
    throw new RegenteError('NOT_FOUND', `There is no archive in ${folder}.`, { cause });
  });
  const parsed = Manifest.safeParse(asJson(text));
  if (!parsed.success || parsed.data.month !== month)
    throw new RegenteError('VALIDATION', `${join(folder, FILE)} is not of an archive of ${month}.`);
  return { archive: { month, parts: parsed.data.parts }, hash: hashOf(text) };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Whether two archives hold the same rows. */
export const sameContents = (a: Archive, b: Archive): boolean =>
  PARTS.every((part) => a.parts[part].sha256 === b.parts[part].sha256);
