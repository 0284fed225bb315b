import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Redis from 'ioredis';
import { freePort } from '../stack/ports';
import { logTail, startServer } from '../stack/server-process';

export interface RedisServer {
  port: number;
  stop(): Promise<void>;
}

const COMMAND = 'redis-server';
const ATTEMPTS = 3;

const SETTINGS = {
  bind: '127.0.0.1',
  save: '',
  appendfsync: 'everysec',
  'maxmemory-policy': 'noeviction',
};

/** Whether there is a `redis-server` on PATH. */
export async function hasRedis(): Promise<boolean> {
  return promisify(execFile)(COMMAND, ['--version']).then(
    () => true,
    () => false,
  );
}

/** A Redis of its own on a free port. `durable`: with the append-only file that BullMQ asks for in production. */
export async function startRedis(dir: string, durable: boolean): Promise<RedisServer> {
  const logFile = join(dir, 'redis.log');
  const dataDir = join(dir, 'redis');
  await mkdir(dataDir, { recursive: true });
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const server = await startServer({
      command: COMMAND,
      args: flagsOf({ ...SETTINGS, port, dir: dataDir, appendonly: durable ? 'yes' : 'no' }),
      cwd: dataDir,
      env: { PATH: process.env['PATH'] ?? '' },
      user: null,
      logFile,
      stopSignal: 'SIGTERM',
    });
    if (await answers(port, server.hasExited)) return { port, stop: () => server.stop() };
    await server.stop();
    if (attempt === ATTEMPTS)
      throw new Error(`Redis did not start. Its log ends with:\n${logTail(logFile)}`);
  }
}

async function answers(port: number, hasExited: () => boolean): Promise<boolean> {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    retryStrategy: () => (hasExited() ? null : 50),
    maxRetriesPerRequest: null,
  });
  client.on('error', () => {});
  try {
    await client.ping();
    return true;
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

const flagsOf = (settings: Record<string, string | number>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
