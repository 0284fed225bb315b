import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RegenteError } from '../../domain/errors';

/** The operating-system user that PostgreSQL runs as when this process is root. */
export interface ServiceUser {
  name: string;
  uid: number;
  gid: number;
}

const CANDIDATES = ['postgres', 'nobody'];

let found: ServiceUser | null | undefined;

/**
 * PostgreSQL refuses to run as root, so as root it gets an unprivileged user that is there already;
 * null otherwise: everything runs as oneself.
 * @throws CONFIGURATION when there is none.
 */
export function serviceUser(): ServiceUser | null {
  if (found === undefined) found = process.getuid?.() === 0 ? findServiceUser() : null;
  return found;
}

function findServiceUser(): ServiceUser {
  for (const name of CANDIDATES) {
    const uid = idOf(name, '-u');
    const gid = idOf(name, '-g');
    if (uid !== null && gid !== null && uid !== 0) return { name, uid, gid };
  }
  throw new RegenteError(
    'CONFIGURATION',
    'PostgreSQL refuses to run as root, and this machine has no user `postgres` or `nobody` to run it as. ' +
      'Create one (`useradd --system postgres`) or start Regente as an ordinary user.',
  );
}

function idOf(name: string, flag: '-u' | '-g'): number | null {
  try {
    const id = execFileSync('id', [flag, name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(id, 10);
  } catch {
    return null;
  }
}

/** The first folder on the way to `path` that this user may not enter; null when the way is open. */
export function closedFolder(path: string, user: ServiceUser | null): string | null {
  if (user === null) return null;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder)) {
      const { mode, uid, gid } = statSync(folder);
      const enterBit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if ((mode & enterBit) === 0) return folder;
    }
    if (folder === dirname(folder)) return null;
  }
}
