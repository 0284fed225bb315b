import { mkdir } from 'node:fs/promises';
import type { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import {
  attach,
  deleteProviderIds,
  detach,
  dropDetached,
  openWork,
  PARTS,
  placeOf,
  readPart,
  requireOver,
  seal,
  sealOf,
  type Contents,
  type Part,
} from '../../prisma/ledger-archives/index';
import { partFile, verifyPart, writeCompressed } from './files';
import { archiveFolder, readManifest, sameContents, writeManifest, type Archive } from './manifest';

export interface ArchiveRequest {
  /** `YYYY-MM` */
  month: string;
  /** Gets a folder `ledger-YYYY-MM`. */
  directory: string;
  /** Whether the detached table goes as well, once the files have been read back. */
  drop: boolean;
}

type Say = (line: string) => void;

/**
 * Takes a month out of the ledger: writes its rows to files and reads them back, detaches its partition, makes sure that
 * the files hold its last state, seals it, and only then deletes its vendor ids and, if asked to, its table. Killed
 * anywhere, the same command goes on from there; each step finds out for itself whether it is done.
 * Throws NOT_FOUND for a month that the ledger does not have, CONFLICT while anything of it is under way, VALIDATION for
 * files that are not what was written.
 */
export async function archiveMonth(
  ledger: Client,
  { month, directory, drop }: ArchiveRequest,
  say: Say,
): Promise<void> {
  await requireOver(ledger, month);
  const folder = archiveFolder(directory, month);
  if ((await placeOf(ledger, month)) === 'absent') {
    const { archive } = await readManifest(folder, month).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
      throw new RegenteError(
        'NOT_FOUND',
        `The ledger has no month ${month}, and there is no archive of it in ${folder}. ` +
          'npm run admin -- ledger:months lists those that it has.',
        { cause: error },
      );
    });
    await verify(folder, archive);
    say(`${month} has no table here, and ${folder} holds ${counted(archive)}`);
    return;
  }
  const sealed = await sealOf(ledger, month);
  const archive =
    sealed === undefined
      ? await writeArchive(ledger, month, folder, say)
      : await readSealed(folder, month, sealed);
  say(`${folder} holds ${counted(archive)}, read back and compared`);
  const deleted = await deleteProviderIds(ledger, month);
  say(`${deleted} vendor ids deleted`);
  if (!drop) {
    say(`the rows of ${month} stay in a detached table; --drop removes it`);
    return;
  }
  await dropDetached(ledger, month);
  say(`the table of ${month} dropped`);
}

const isMissing = (error: unknown): boolean =>
  error instanceof RegenteError && error.code === 'NOT_FOUND';

/** Answers the archive, verified and sealed, of a month that is detached then. */
async function writeArchive(
  ledger: Client,
  month: string,
  folder: string,
  say: Say,
): Promise<Archive> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const place = await placeOf(ledger, month);
  let written: Archive | undefined;
  if (place === 'attached') {
    await requireEnded(ledger, month);
    // While the month is still answered: whatever is wrong with the disk shows now.
    written = await writeParts(ledger, month, folder);
    await verify(folder, written);
    say(`written: ${counted(written)}`);
  }
  if (place !== 'detached') {
    await detach(ledger, month, place === 'detaching');
    say(`${month} detached from the ledger`);
  }
  try {
    await requireEnded(ledger, month);
  } catch (error) {
    await attach(ledger, month);
    throw error;
  }
  // Nobody can change the rows any more; until a moment ago a late callback could.
  if (written === undefined || !sameContents(written, await measure(ledger, month))) {
    written = await writeParts(ledger, month, folder);
    await verify(folder, written);
  }
  await seal(ledger, month, await writeManifest(folder, written));
  return written;
}

/** Throws CONFLICT while a message or an execution of the month is open. */
async function requireEnded(ledger: Client, month: string): Promise<void> {
  const { messages, executions } = await openWork(ledger, month);
  if (messages + executions === 0) return;
  throw new RegenteError(
    'CONFLICT',
    `${month} is still under way: ${messages} messages queued or sending, ${executions} executions that have not ended. ` +
      'Finish or cancel their campaigns first.',
    { details: { month, messages, executions } },
  );
}

async function readSealed(folder: string, month: string, sealed: string): Promise<Archive> {
  const { archive, hash } = await readManifest(folder, month);
  if (hash !== sealed)
    throw new RegenteError(
      'CONFLICT',
      `${month} was archived already, and not as ${folder} says; name the directory of that archive.`,
    );
  await verify(folder, archive);
  return archive;
}

async function writeParts(ledger: Client, month: string, folder: string): Promise<Archive> {
  return eachPart(month, (part) =>
    writeCompressed(partFile(folder, part), (sink) => readPart(ledger, part, month, { sink })),
  );
}

const measure = (ledger: Client, month: string): Promise<Archive> =>
  eachPart(month, (part) => readPart(ledger, part, month));

async function eachPart(month: string, read: (part: Part) => Promise<Contents>): Promise<Archive> {
  const communications = await read('communications');
  return { month, parts: { communications, provider_messages: await read('provider_messages') } };
}

/** Throws VALIDATION. */
export async function verify(folder: string, { parts }: Archive): Promise<void> {
  for (const part of PARTS) await verifyPart(folder, part, parts[part]);
}

export const counted = ({ parts }: Archive): string =>
  `${parts.communications.rows} messages and ${parts.provider_messages.rows} vendor ids`;
