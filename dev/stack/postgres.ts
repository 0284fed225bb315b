import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import { cacheFolder, makeFolder } from './cache';
import { freePort, requireFreePort } from './ports';
import { installPostgres, type PostgresBinaries } from './postgres-binaries';
import { commandLine, identify } from './processes';
import { endLeftServer, logTail, startServer, type ServerProcess } from './server-process';
import { closedFolder, serviceUser, type ServiceUser } from './service-user';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Made when it is missing; kept when it holds a cluster. */
  dataDir: string;
  /** A free one when left out; always on 127.0.0.1. */
  port?: number;
  logFile: string;
  /** Server settings, on top of those of `SETTINGS`. */
  settings?: Readonly<Record<string, string>>;
  /** false: no fsync, for data that may be lost with the machine (tests, demos). A killed server loses nothing. */
  durable?: boolean;
  /** Where the programs are kept; see `cacheFolder`. */
  cache?: string;
}

export interface Postgres extends ServerProcess {
  port: number;
  /** The superuser's, database `postgres`. */
  url: string;
  version: string;
}

const SUPERUSER = 'postgres';
const READY_WITHIN_MS = 60_000;
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // Only TCP with a password: a socket's path has a length limit that a deep temporary folder exceeds.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  wal_compression: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

const NOT_DURABLE = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' };

/**
 * Starts PostgreSQL on this data folder and waits until it answers; about a second for a new folder, less
 * for one that is there. May be started again on the same folder and port after any kind of end.
 * @throws CONFIGURATION (port in use, folder closed to the service user), CONFLICT (already running there),
 * UNAVAILABLE (it ended or stayed silent: the message has the end of its log).
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const user = serviceUser();
  const dataDir = resolve(options.dataDir);
  const binaries = await installPostgres(options.cache ?? cacheFolder(process.env));
  await endLeftServer(options.logFile, 'SIGINT');
  await requireReachable(dataDir, user);
  if (options.port !== undefined) await requireFreePort(options.port, 'PostgreSQL');
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    await createCluster(dataDir, binaries, user, options.durable ?? true);
  }
  await clearStalePidFile(dataDir);

  const password = (await readFile(passwordFile(dataDir), 'utf8')).trim();
  const attempts = options.port === undefined ? 5 : 1;
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const url = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
    const started = await launch({ ...options, dataDir, port, binaries, user });
    if (await answers(started, url)) return { ...started, port, url, version: binaries.version };
    const tail = logTail(options.logFile);
    if (attempt < attempts && /could not (bind|create any TCP)/.test(tail)) continue;
    throw new RegenteError(
      'UNAVAILABLE',
      `PostgreSQL did not start (${await started.exited}). Its log ${options.logFile} ends with:\n${tail}`,
    );
  }
}

const passwordFile = (dataDir: string): string => join(dataDir, 'regente.password');

/** The cluster is made beside its place and moved there whole, so a broken-off attempt leaves nothing half made. */
async function createCluster(
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

interface Launch extends PostgresOptions {
  port: number;
  binaries: PostgresBinaries;
  user: ServiceUser | null;
}

/** A killed server's last backends hold its shared memory for a moment longer; until then a new one gives up at once. */
async function launch(options: Launch): Promise<ServerProcess> {
  const settings = {
    ...SETTINGS,
    ...(options.durable === false ? NOT_DURABLE : {}),
    ...options.settings,
    port: String(options.port),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const server = await startServer({
      command: options.binaries.postgres,
      args: ['-D', options.dataDir, ...flags],
      cwd: options.dataDir,
      env: ENVIRONMENT,
      user: options.user,
      logFile: options.logFile,
      stopSignal: 'SIGINT',
    });
    const early = await Promise.race([server.exited, delay(60, null)]);
    const waits = early !== null && /shared memory block/.test(logTail(options.logFile, 4));
    if (!waits || Date.now() > deadline) return server;
    await delay(200);
  }
}

/** True when it answers a query; false when it has ended. @throws UNAVAILABLE when it does neither in time. */
async function answers(server: ServerProcess, url: string): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!server.hasExited()) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      return true;
    } catch (cause) {
      if (Date.now() > deadline) {
        await server.kill();
        throw new RegenteError(
          'UNAVAILABLE',
          `PostgreSQL did not answer within ${READY_WITHIN_MS / 1000} s: ${String(cause)}`,
          { cause },
        );
      }
    } finally {
      await client.end().catch(() => {});
    }
    await delay(30);
  }
  return false;
}

/**
 * PostgreSQL takes any running process with the number in a left `postmaster.pid` for itself, also a
 * stranger who got the number since (usual in containers).
 */
async function clearStalePidFile(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const content = await readFile(file, 'utf8').catch(() => '');
  const pid = Number.parseInt(content, 10);
  if (!Number.isInteger(pid)) return;
  if (identify(pid) !== null && commandLine(pid).includes(dataDir)) {
    throw new RegenteError(
      'CONFLICT',
      `PostgreSQL is already running on ${dataDir} (process ${pid}). End it first: kill -INT ${pid}`,
    );
  }
  await rm(file, { force: true });
}

async function requireReachable(dataDir: string, user: ServiceUser | null): Promise<void> {
  const closed = closedFolder(dirname(dataDir), user);
  if (closed === null) return;
  throw new RegenteError(
    'CONFIGURATION',
    `As root, PostgreSQL runs as the user ${user?.name}, who may not enter ${closed}. ` +
      'Choose a data folder that every user may reach.',
  );
}
