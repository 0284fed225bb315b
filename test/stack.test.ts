import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { lockCheckout } from '../dev/stack';
import { cacheFolder, installOnce, temporaryRoot } from '../dev/stack/cache';
import { tryLock } from '../dev/stack/lock';
import { startPostgres, type Postgres } from '../dev/stack/postgres';
import { identify } from '../dev/stack/processes';

/** PostgreSQL's user must be able to enter it. */
let folder: string;
const running: Postgres[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(temporaryRoot(), 'regente-test-'));
  chmodSync(folder, 0o711);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
});

const start = async (
  options: Partial<Parameters<typeof startPostgres>[0]> = {},
): Promise<Postgres> => {
  const server = await startPostgres({
    dataDir: join(folder, 'data'),
    logFile: join(folder, 'postgres.log'),
    durable: false,
    ...options,
  });
  running.push(server);
  return server;
};

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** A number that no process has any more. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid!;
}

describe('the cache folder', () => {
  const stranger = { name: 'stranger', uid: 54_321, gid: 54_321 };

  test('is what REGENTE_CACHE_DIR says, else the usual place of the platform', () => {
    expect(cacheFolder({ REGENTE_CACHE_DIR: folder, XDG_CACHE_HOME: '/x' }, null)).toBe(folder);
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' }, null)).toBe('/x/regente');
    expect(cacheFolder({}, null)).toBe(join(homedir(), '.cache', 'regente'));
  });

  test('lies outside a closed home when PostgreSQL runs as another user', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' }, stranger)).toBe('/var/cache/regente');
  });

  test('that PostgreSQL could not enter is refused with the name of the closed folder', () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    expect(() => cacheFolder({ REGENTE_CACHE_DIR: join(closed, 'cache') }, stranger)).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION', message: expect.stringContaining(closed) }),
    );
  });

  test('gets each thing whole or not at all, also from several processes at once', async () => {
    const target = join(folder, 'cache', 'thing');
    const fill = async (draft: string): Promise<void> => {
      writeFileSync(join(draft, 'a'), 'a');
      await new Promise((resolve) => setImmediate(resolve));
      writeFileSync(join(draft, 'b'), 'b');
    };
    await expect(
      installOnce(target, async (draft) => {
        await fill(draft);
        throw new Error('half way');
      }),
    ).rejects.toThrow('half way');
    expect(readdirSync(join(folder, 'cache'))).toEqual([]);

    await Promise.all([1, 2, 3, 4].map(() => installOnce(target, fill)));
    expect(readdirSync(join(folder, 'cache'))).toEqual(['thing']);
    expect(readdirSync(target)).toEqual(['a', 'b']);
  });
});

describe('a lock', () => {
  test('has one holder, who is named to the others, and is free after its release', async () => {
    const file = join(folder, 'lock');
    const first = await tryLock(file);
    expect(await tryLock(file)).toEqual({ heldBy: identify(process.pid) });
    if ('lock' in first) await first.lock.release();
    expect(await tryLock(file)).toHaveProperty('lock');
  });

  test.each(['dead', 'reused'])(
    'of a %s process number is taken over by exactly one',
    async (kind) => {
      const file = join(folder, 'lock');
      const pid = kind === 'dead' ? await deadPid() : process.pid;
      writeFileSync(file, JSON.stringify({ pid, stamp: 'long ago' }));
      const attempts = await Promise.all(Array.from({ length: 20 }, () => tryLock(file)));
      expect(attempts.filter((attempt) => 'lock' in attempt)).toHaveLength(1);
      expect(readdirSync(folder)).toEqual(['lock']);
    },
  );

  test('of a checkout tells the second who runs there', async () => {
    const lock = await lockCheckout(folder);
    await expect(lockCheckout(folder)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(String(process.pid)),
    });
    await lock.release();
    await (await lockCheckout(folder)).release();
  });
});

describe('PostgreSQL', () => {
  test('starts on a new folder in UTF-8 and listens on the loopback only, with a password', async () => {
    const server = await start();
    const [row] = await query(
      server.url,
      `select upper('ç') as upper, current_setting('server_encoding') as encoding,
              current_setting('TimeZone') as zone, current_setting('fsync') as fsync`,
    );
    expect(row).toEqual({ upper: 'Ç', encoding: 'UTF8', zone: 'UTC', fsync: 'off' });
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    const other = Object.values(networkInterfaces())
      .flat()
      .find((found) => found !== undefined && !found.internal && found.family === 'IPv4');
    if (other !== undefined) {
      const outside = new URL(server.url);
      outside.hostname = other.address;
      await expect(query(outside.href, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    }
  });

  test('comes back after SIGKILL on the same port with every committed row', async () => {
    const server = await start();
    await query(server.url, 'create table kept as select generate_series(1, 1000) as n');
    const busy = query(server.url, 'select pg_sleep(60)').catch(() => 'cut off');
    await server.kill();
    const again = await start({ port: server.port });
    expect(again.url).toBe(server.url);
    expect(await query(again.url, 'select count(*)::int as n from kept')).toEqual([{ n: 1000 }]);
    expect(await busy).toBe('cut off');
  });

  test('comes back when a stranger has the number in the left postmaster.pid', async () => {
    const server = await start();
    await server.kill();
    const file = join(folder, 'data', 'postmaster.pid');
    const left = readFileSync(file, 'utf8');
    writeFileSync(file, left.replace(/^\d+/, String(process.pid)));
    expect(await query((await start()).url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('is durable unless told otherwise, and takes further settings', async () => {
    const server = await startPostgres({
      dataDir: join(folder, 'data'),
      logFile: join(folder, 'postgres.log'),
      settings: { work_mem: '7MB' },
    });
    running.push(server);
    const [row] = await query(
      server.url,
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
              current_setting('work_mem') as memory`,
    );
    expect(row).toEqual({ fsync: 'on', commit: 'on', memory: '7MB' });
  });

  test('refuses a data folder on which it runs already, whoever asks', async () => {
    const server = await start();
    await expect(start()).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(start({ logFile: join(folder, 'other.log') })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(String(server.pid)),
    });
  });

  test('says so when its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ port })).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    other.close();
  });

  test('that cannot start ends the wait at once with its own words', async () => {
    await expect(start({ settings: { work_mem: 'plenty' } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('work_mem'),
    });
  });

  test('does not touch a cluster that somebody else made', async () => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'PG_VERSION'), '18\n');
    await expect(start()).rejects.toMatchObject({ code: 'CONFIGURATION' });
    expect(readdirSync(join(folder, 'data'))).toEqual(['PG_VERSION']);
  });

  test('two at once keep to their own', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) =>
        start({ dataDir: join(folder, name), logFile: join(folder, `${name}.log`) }),
      ),
    );
    await query(one!.url, 'create table mine (n int)');
    expect(await query(two!.url, `select to_regclass('mine') as table`)).toEqual([{ table: null }]);
    expect(one!.port).not.toBe(two!.port);
  });
});
