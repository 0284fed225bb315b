import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { serviceUser } from '../stack/service-user';
import type { Installation } from './installation';

const run = promisify(execFile);

/** A disk under PostgreSQL that can be full. */
export interface SmallDisk {
  kind: 'tmpfs' | 'file size limit';
  /** From now on nothing can grow. */
  fill(): Promise<void>;
  /** How often PostgreSQL has said that it could not write. */
  complaints(): number;
  empty(): Promise<void>;
  remove(): Promise<void>;
}

const LARGE = 'size=4g';
const TABLESPACE = 'small_disk';

/** All tables on a file system of their own where it may be mounted; else a limit on the size of every file. */
export async function openSmallDisk(place: Installation): Promise<SmallDisk> {
  const folder = join(place.stack.dir, 'small-disk');
  await mkdir(folder, { recursive: true });
  const user = serviceUser();
  const owner = user === null ? '' : `,uid=${user.uid},gid=${user.gid}`;
  const mounted = await run('mount', [
    '-t',
    'tmpfs',
    '-o',
    `${LARGE},mode=0700${owner}`,
    'tmpfs',
    folder,
  ]).then(
    () => true,
    () => false,
  );
  return mounted ? onTmpfs(place, folder) : byFileSize(place);
}

async function onTmpfs({ stack, adminUrl }: Installation, folder: string): Promise<SmallDisk> {
  const resize = (size: string): Promise<unknown> =>
    run('mount', ['-o', `remount,${size}`, folder]);
  const unmount = (): Promise<unknown> => run('umount', ['-l', folder]);
  try {
    await administer(adminUrl, `CREATE TABLESPACE ${TABLESPACE} LOCATION '${folder}'`);
    await moveAll(adminUrl, 'pg_default', TABLESPACE);
  } catch (error) {
    await unmount();
    throw error;
  }
  return {
    kind: 'tmpfs',
    async fill() {
      for (let tries = 1; ; tries += 1) {
        const { blocks, bfree, bsize } = await statfs(folder);
        try {
          return void (await resize(`size=${(blocks - bfree) * bsize}`));
        } catch (error) {
          // The tables have grown since they were measured, and nothing is made smaller than what it holds.
          if (tries === 20) throw error;
        }
      }
    },
    complaints: () => count(stack.dir, /No space left on device/g),
    empty: async () => void (await resize(LARGE)),
    async remove() {
      try {
        await moveAll(adminUrl, TABLESPACE, 'pg_default');
        await administer(adminUrl, `DROP TABLESPACE ${TABLESPACE}`);
      } finally {
        await unmount();
      }
    },
  };
}

/** Moving waits for every transaction under way and may stand in their way: then it is tried again. */
async function moveAll(adminUrl: string, from: string, to: string): Promise<void> {
  for (const kind of ['TABLE', 'INDEX'])
    for (let tries = 1; ; tries += 1) {
      try {
        await administer(adminUrl, `ALTER ${kind} ALL IN TABLESPACE ${from} SET TABLESPACE ${to}`);
        break;
      } catch (error) {
        if (tries === 10) throw error;
      }
    }
}

async function administer(adminUrl: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Smaller than a segment of the write-ahead log, so that PostgreSQL itself gives up, as it does on a full disk. */
const LIMIT_BYTES = 1_048_576;

function byFileSize({ stack }: Installation): SmallDisk {
  const limit = async (size: string): Promise<void> => {
    const { pid } = stack.postgres;
    for (const each of [pid, ...childrenOf(pid)])
      // One that has just ended needs no limit.
      await run('prlimit', ['--pid', String(each), `--fsize=${size}:unlimited`]).catch(
        () => undefined,
      );
  };
  return {
    kind: 'file size limit',
    fill: () => limit(String(LIMIT_BYTES)),
    complaints: () => count(stack.dir, /File too large/g) + (stack.postgres.hasExited() ? 1 : 0),
    async empty() {
      await limit('unlimited');
      await stack.revive();
    },
    remove: () => Promise.resolve(),
  };
}

function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number);
}

function count(dir: string, pattern: RegExp): number {
  return readFileSync(join(dir, 'postgres.log'), 'utf8').match(pattern)?.length ?? 0;
}
