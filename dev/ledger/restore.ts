import type { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import {
  attach,
  createDetached,
  detach,
  inTransaction,
  PARTS,
  placeOf,
  readPart,
  sealOf,
  writePart,
  type Part,
} from '../../prisma/ledger-archives/index';
import { counted, verify } from './archive';
import { openPart } from './files';
import { archiveFolder, readManifest, type Archive } from './manifest';

/**
 * Puts a month back into the ledger as it was, in one transaction. A month whose archive was interrupted before it was
 * sealed needs no files; nothing of it was deleted. Does nothing for a month that is there.
 * Throws VALIDATION for files that are not what was archived, CONFLICT when the database would not hold the same rows.
 */
export async function restoreMonth(
  ledger: Client,
  { month, directory }: { month: string; directory: string | undefined },
  say: (line: string) => void,
): Promise<void> {
  const place = await placeOf(ledger, month);
  if (place === 'attached') {
    say(`${month} is in the ledger`);
    return;
  }
  if (place === 'detaching') await detach(ledger, month, true);
  const sealed = await sealOf(ledger, month);
  if (place !== 'absent' && sealed === undefined) {
    await attach(ledger, month);
    say(`${month} is back in the ledger; nothing of it had been taken out`);
    return;
  }
  if (directory === undefined)
    throw new RegenteError('VALIDATION', `${month} is archived: --from says where its files are.`);
  const folder = archiveFolder(directory, month);
  const { archive, hash } = await readManifest(folder, month);
  if (sealed !== undefined && sealed !== hash)
    throw new RegenteError(
      'CONFLICT',
      `${folder} is not the archive that ${month} was sealed with.`,
    );
  await verify(folder, archive);
  await inTransaction(ledger, () => putBack(ledger, archive, folder, place === 'absent'));
  say(`${month} is back in the ledger: ${counted(archive)}`);
}

async function putBack(
  ledger: Client,
  archive: Archive,
  folder: string,
  isAbsent: boolean,
): Promise<void> {
  const { month, parts } = archive;
  const write = (part: Part): Promise<void> =>
    writePart(ledger, part, {
      month,
      columns: parts[part].columns,
      source: openPart(folder, part),
    });
  if (isAbsent) {
    await createDetached(ledger, month);
    await write('communications');
  }
  await write('provider_messages');
  for (const part of PARTS) {
    const { columns, sha256 } = parts[part];
    const now = await readPart(ledger, part, month, { columns });
    if (now.sha256 === sha256) continue;
    throw new RegenteError(
      'CONFLICT',
      `The ${part} of ${month} would not be what was archived, so nothing was changed.`,
    );
  }
  await attach(ledger, month);
}
