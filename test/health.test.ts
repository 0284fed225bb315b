import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Connection } from '@temporalio/client';
import { startApi, type RunningApi } from '../api/server';
import { loadConfig } from '../config';
import { openDatabase, type Database } from '../prisma/client';
import { checkParts } from '../workers/health';

/*
 * A database that is silent rather than dead: its address takes every connection, and nobody ever answers.
 */

const open = new Set<Socket>();
const silent = createServer((socket) => {
  open.add(socket);
  socket.on('error', () => {});
});
let url: string;
let db: Database;
let api: RunningApi;
beforeAll(async () => {
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  url = `postgresql://regente_app:x@127.0.0.1:${(silent.address() as AddressInfo).port}/regente`;
  db = openDatabase({ url });
  const config = loadConfig({
    DATABASE_URL: url,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
  });
  api = await startApi(config, { db });
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await api.stop();
  await db.close();
  await new Promise((resolve) => silent.close(resolve));
});

test('/readyz of the API names a silent database, and does not wait for it', async () => {
  const ready = await fetch(`${api.url}/readyz`, { signal: AbortSignal.timeout(4_500) });
  expect([ready.status, await ready.json()]).toEqual([
    503,
    {
      status: 'failing',
      checks: { database: 'does not answer', engine: 'does not answer' },
    },
  ]);
});

test('the worker names a silent database, and does not wait for it', async () => {
  const began = performance.now();
  const connection = Connection.lazy({ address: '127.0.0.1:1' });
  expect(await checkParts(db, connection)).toEqual({
    database: 'does not answer',
    engine: 'does not answer',
  });
  expect(performance.now() - began).toBeLessThan(4_500);
  await connection.close();
});
