import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { RegenteError } from '../../domain/errors';
import { makeFolder } from './cache';
import type { PostgresBinaries } from './postgres-binaries';
import type { ServiceUser } from './service-user';

const run = promisify(execFile);

export const SUPERUSER = 'postgres';

/** The whole environment of PostgreSQL's programs: none of the caller's PG… variables. */
export const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

const passwordFile = (dataDir: string): string => join(dataDir, 'regente.password');

/**
 * Makes a cluster in UTF-8 with a password of its own, which `readPassword` finds.
 * The cluster is made beside its place and moved there whole, so a broken-off attempt leaves nothing half made.
 * @throws UNAVAILABLE with what initdb said.
 */
export async function createCluster(
  dataDir: string,
  binaries: PostgresBinaries,
  user: ServiceUser | null,
  durable: boolean,
): Promise<void> {
  await makeFolder(dirname(dataDir));
  const draft = `${dataDir}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  const passwordDraft = `${draft}.password`;
  await writeFile(passwordDraft, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (user !== null) {
    await chown(draft, user.uid, user.gid);
    await chown(passwordDraft, user.uid, user.gid);
  }
  const args = ['-D', draft, '-U', SUPERUSER, '--pwfile', passwordDraft];
  args.push('--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C');
  args.push('--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8');
  if (!durable) args.push('--no-sync');
  try {
    await run(binaries.initdb, args, {
      cwd: draft,
      env: ENVIRONMENT,
      ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
    });
    await rename(passwordDraft, passwordFile(draft));
    await rm(dataDir, { recursive: true, force: true });
    await rename(draft, dataDir);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    await rm(passwordDraft, { force: true });
    const detail = (cause as { stderr?: string }).stderr?.trim() || String(cause);
    throw new RegenteError('UNAVAILABLE', `PostgreSQL could not prepare ${dataDir}: ${detail}`, {
      cause,
    });
  }
}

/** The superuser's password. @throws CONFIGURATION when somebody else made the cluster. */
export async function readPassword(dataDir: string): Promise<string> {
  try {
    return (await readFile(passwordFile(dataDir), 'utf8')).trim();
  } catch (cause) {
    throw new RegenteError(
      'CONFIGURATION',
      `${dataDir} holds a PostgreSQL cluster without ${basename(passwordFile(dataDir))}: Regente did not make it. ` +
        'Choose another folder.',
      { cause },
    );
  }
}
