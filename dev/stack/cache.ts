import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { closedFolder, serviceUser, type ServiceUser } from './service-user';

type Environment = Readonly<Record<string, string | undefined>>;

const ROOT_CACHE = '/var/cache/regente';
/** No install takes this long. */
const DRAFT_IS_OLD_MS = 6 * 3_600_000;

/**
 * Where binaries live by version, outside every checkout: REGENTE_CACHE_DIR, else XDG_CACHE_HOME/regente,
 * else ~/.cache/regente. As root it is /var/cache/regente unless REGENTE_CACHE_DIR says otherwise,
 * because PostgreSQL then runs as another user, to whom root's home is closed.
 * @throws CONFIGURATION when REGENTE_CACHE_DIR is closed to that user.
 */
export function cacheFolder(
  env: Environment = process.env,
  user: ServiceUser | null = serviceUser(),
): string {
  const chosen = env['REGENTE_CACHE_DIR'];
  if (chosen !== undefined && chosen !== '') {
    const closed = closedFolder(chosen, user);
    if (closed === null) return resolve(chosen);
    throw new RegenteError(
      'CONFIGURATION',
      `REGENTE_CACHE_DIR is ${chosen}, but the user ${user?.name}, as whom PostgreSQL runs here, may not enter ` +
        `${closed}. Choose a folder that every user may enter, or leave the variable out (${ROOT_CACHE}).`,
    );
  }
  if (user !== null) return ROOT_CACHE;
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'regente');
}

/** A folder for temporary stacks which the service user may enter: the system's own, else /tmp. */
export function temporaryRoot(user: ServiceUser | null = serviceUser()): string {
  return closedFolder(tmpdir(), user) === null ? tmpdir() : '/tmp';
}

/** Makes the folder and every missing one above it; open to other users when a service user must pass. */
export async function makeFolder(folder: string, user = serviceUser()): Promise<void> {
  if (existsSync(folder)) return;
  await makeFolder(dirname(folder), user);
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw cannotWrite(folder, error);
  });
  if (user !== null) await chmod(folder, 0o755);
}

/**
 * Puts something into the cache once. `fill` writes into a fresh folder beside the target, which then takes
 * the target's name in one step: two processes at once are safe, and a half-written target is never seen.
 */
export async function installOnce(
  target: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  if (existsSync(target)) return target;
  await makeFolder(dirname(target));
  await removeOldDrafts(target);
  const draft = await mkdtemp(`${target}.draft-`).catch((error: NodeJS.ErrnoException) => {
    throw cannotWrite(dirname(target), error);
  });
  try {
    await fill(draft);
    if (serviceUser() !== null) await openToAll(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** What a killed process left half written. */
async function removeOldDrafts(target: string): Promise<void> {
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.draft-`)) continue;
    const draft = join(dirname(target), name);
    const changed = await stat(draft).catch(() => null);
    if (changed === null || Date.now() - changed.mtimeMs < DRAFT_IS_OLD_MS) continue;
    await rm(draft, { recursive: true, force: true });
  }
}

/** A checkout unpacked under a strict umask has folders only its owner may read; the cache is for all. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}

function cannotWrite(folder: string, cause: NodeJS.ErrnoException): Error {
  return new RegenteError(
    'CONFIGURATION',
    `${folder} cannot be written (${cause.code ?? cause.message}). ` +
      'Set REGENTE_CACHE_DIR to a folder in which Regente may keep its binaries.',
    { cause },
  );
}
