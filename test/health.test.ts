import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Connection } from '@temporalio/client';
import { createEngineLook } from '../api/engine-look';
import { startApi, type RunningApi } from '../api/server';
import { loadConfig } from '../config';
import { openDatabase, type Database } from '../prisma/client';
import { LOOK_WITHIN_MS } from '../prisma/probe';
import { checkParts } from '../workers/health';

/*
 * A database and an engine that are silent rather than dead: their address takes every connection, and nobody ever
 * answers.
 */
/** What Kubernetes gives a probe. */
const PROBE_MS = 1_000;
/** So late a busy machine may be; whoever waits for the silent ones is later by far. */
const LATE_MS = 3_000;
const DEAD_ADDRESS = '127.0.0.1:1';
const SILENT = { database: 'does not answer', engine: 'does not answer' };

const open = new Set<Socket>();
const silent = createServer((socket) => {
  open.add(socket);
  socket.on('error', () => {});
});
let address: string;
let db: Database;
let api: RunningApi;
beforeAll(async () => {
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const url = `postgresql://regente_app:x@${address}/regente`;
  db = openDatabase({ url });
  const config = loadConfig({
    DATABASE_URL: url,
    TEMPORAL_ADDRESS: address,
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
  });
  api = await startApi(config, { db });
});
afterAll(async () => {
  const closed = once(silent, 'close');
  silent.close();
  for (const socket of open) socket.destroy();
  await api.stop();
  await db.close();
  await closed;
});

/** Of three looks: a busy machine may hold up one, but none is shorter than what it waits for. */
async function fastestMs(look: () => Promise<void>): Promise<number> {
  const tookMs: number[] = [];
  for (let at = 0; at < 3; at += 1) {
    const began = performance.now();
    await look();
    tookMs.push(performance.now() - began);
  }
  return Math.min(...tookMs);
}

test('each part is looked at for less than the time of a probe', () => {
  expect(LOOK_WITHIN_MS).toBeLessThan(PROBE_MS);
});

test('/readyz of the API names what is silent, and waits no longer for it than it looks', async () => {
  const tookMs = await fastestMs(async () => {
    const ready = await fetch(`${api.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'failing', checks: SILENT },
    ]);
  });
  expect(tookMs).toBeLessThan(LATE_MS);
});

test.each(['silent', 'dead'])(
  'the worker names what does not answer, and waits no longer for it than it looks, its engine %s',
  async (engine) => {
    const connection = Connection.lazy({ address: engine === 'silent' ? address : DEAD_ADDRESS });
    const look = createEngineLook(() => Promise.resolve(connection));
    const tookMs = await fastestMs(async () => expect(await checkParts(db, look)).toEqual(SILENT));
    expect(tookMs).toBeLessThan(LATE_MS);
    await look.end();
    await connection.close();
  },
);
