import { readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { RegenteError } from '../../domain/errors';
import { cacheFolder } from './cache';
import { freePort, requireFreePort } from './ports';
import { installPostgres, type PostgresBinaries } from './postgres-binaries';
import { createCluster, ENVIRONMENT, readPassword, SUPERUSER } from './postgres-cluster';
import { commandLine, identify } from './processes';
import { endLeftServer, logTail, startServer, type ServerProcess } from './server-process';
import { closedFolder, serviceUser, type ServiceUser } from './service-user';

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

const READY_WITHIN_MS = 60_000;

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

/**
 * Safe against kill -9, not against a power cut. `synchronous_commit` stays on: without it a killed server
 * loses what it committed in the last moments, and with `fsync` off it costs next to nothing.
 */
const NOT_DURABLE = { fsync: 'off', full_page_writes: 'off' };

/**
 * Starts PostgreSQL on this data folder and waits until it answers; about a second for a new folder, less
 * for one that is there. May be started again on the same folder and port after any kind of end.
 * @throws CONFIGURATION (port in use, folder closed to the service user), CONFLICT (already running there),
 * UNAVAILABLE (it ended or stayed silent: the message has the end of its log).
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const user = serviceUser();
  const dataDir = resolve(options.dataDir);
  requireReachable(dataDir, user);
  const binaries = await installPostgres(options.cache ?? cacheFolder());
  await endLeftServer(options.logFile, 'SIGINT');
  if (options.port !== undefined) await requireFreePort(options.port, 'PostgreSQL');
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    await createCluster(dataDir, binaries, user, options.durable ?? true);
  }
  await clearStalePidFile(dataDir);

  const password = await readPassword(dataDir);
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const port = options.port ?? (await freePort());
    const url = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
    const server = await launch({ ...options, dataDir, port }, binaries, user);
    if (await answers(server, url, deadline)) {
      return { ...server, port, url, version: binaries.version };
    }
    const tail = logTail(options.logFile);
    if (Date.now() > deadline || !isPassing(tail, options.port === undefined)) {
      throw new RegenteError(
        'UNAVAILABLE',
        `PostgreSQL did not start (${await server.exited}). Its log ${options.logFile} ends with:\n${tail}`,
      );
    }
    await delay(200);
  }
}

/**
 * Whether the reason of a failed start will go away: the last programs of a killed server hold its shared
 * memory for a moment longer, and a port that was free may have been taken since, if we may choose another.
 */
const isPassing = (tail: string, portIsOurs: boolean): boolean =>
  /shared memory block/.test(tail) || (portIsOurs && /could not bind/.test(tail));

function launch(
  options: PostgresOptions & { port: number },
  binaries: PostgresBinaries,
  user: ServiceUser | null,
): Promise<ServerProcess> {
  const settings = {
    ...SETTINGS,
    ...(options.durable === false ? NOT_DURABLE : {}),
    ...options.settings,
    port: String(options.port),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return startServer({
    command: binaries.postgres,
    args: ['-D', options.dataDir, ...flags],
    cwd: options.dataDir,
    env: ENVIRONMENT,
    user,
    logFile: options.logFile,
    stopSignal: 'SIGINT',
  });
}

/** True when it answers a query; false when it has ended. @throws UNAVAILABLE when it does neither in time. */
async function answers(server: ServerProcess, url: string, deadline: number): Promise<boolean> {
  while (!server.hasExited()) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      return true;
    } catch (cause) {
      if (Date.now() > deadline || isRefusal(cause)) {
        await server.kill();
        throw new RegenteError(
          'UNAVAILABLE',
          `PostgreSQL runs but does not answer: ${String(cause)}`,
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

/** A wrong password or a missing role stays wrong. */
const isRefusal = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code?.startsWith('28') === true;

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

function requireReachable(dataDir: string, user: ServiceUser | null): void {
  const closed = closedFolder(dirname(dataDir), user);
  if (closed === null) return;
  throw new RegenteError(
    'CONFIGURATION',
    `As root, PostgreSQL runs as the user ${user?.name}, who may not enter ${closed}. ` +
      'Choose a data folder that every user may reach.',
  );
}
