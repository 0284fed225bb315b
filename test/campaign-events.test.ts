import { connect } from 'node:net';
import { once } from 'node:events';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import type { AppEnv } from '../api/context';
import { startApi } from '../api/server';
import { cutUnread } from '../api/unread';
import { withTenant } from '../prisma/tenant';
import { startTestApi, type TestApi } from './support/api';
import { startCampaigner, type Campaigner } from './support/campaigns';
import { query } from './support/database';
import { listen } from './support/listen';
import { until } from './support/until';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

test('a stream of events reads nothing more once its client has gone', async () => {
  const id = await own.draft();
  /** How long ago the API has asked the database for anything. */
  const quietForMs = async (): Promise<number> => {
    const [row] = await query<{ ms: number }>(
      api.database.adminUrl,
      `SELECT extract(epoch FROM clock_timestamp() - max(query_start))::float8 * 1000 AS ms FROM pg_stat_activity
        WHERE datname = current_database() AND usename <> current_user`,
    );
    return row?.ms ?? 0;
  };
  const leaving = new AbortController();
  const response = await fetch(`${api.url}/v1/campaigns/${id}/events`, {
    headers: { authorization: `Bearer ${own.approver.token}` },
    signal: leaving.signal,
  });
  const chunk = await response.body?.getReader().read();
  expect(Buffer.from(chunk?.value ?? []).toString()).toMatch(
    /^event: progress\ndata: \{"state":"DRAFT"/,
  );
  await until('it reads again', async () => (await quietForMs()) > 500);
  await until('it has read again', async () => (await quietForMs()) < 300);
  leaving.abort();
  await until('it reads no more', async () => (await quietForMs()) > 2_500, 8_000);
});

describe('a stream of events ends within seconds', () => {
  /** Opens a stream, waits for its first event, changes something, and answers once the stream has ended. */
  async function endsAfter(as: { token: string }, change: () => Promise<unknown>): Promise<number> {
    const id = await own.draft();
    const response = await fetch(`${api.url}/v1/campaigns/${id}/events`, {
      headers: { authorization: `Bearer ${as.token}` },
      signal: AbortSignal.timeout(20_000),
    });
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('DRAFT');
    await change();
    const changedAt = Date.now();
    while ((await reader?.read())?.done === false);
    const again = await own.call('GET', `/${id}/events`, as);
    expect([401, 403, 404]).toContain(again.status);
    return Date.now() - changedAt;
  }
  test('when the person logs out', async () => {
    const person = await api.person(own.tenant.companyId, 'DIRECTOR');
    const logOut = () => api.request('DELETE', '/v1/sessions/current', { as: person });
    expect(await endsAfter(person, logOut)).toBeLessThan(5_000);
  });

  test('when the API key is revoked', async () => {
    const key = await api.key(own.tenant.director, ['campaigns:read']);
    const revoke = () =>
      api.request('DELETE', `/v1/api-keys/${key.id}`, { as: own.tenant.director });
    expect(await endsAfter(key, revoke)).toBeLessThan(5_000);
  });

  test('when the person may no longer see the campaign', async () => {
    const person = await api.person(own.tenant.companyId, 'DIRECTOR');
    const demote = () =>
      withTenant(api.deps.db, own.tenant.companyId, (tx) =>
        tx.user.update({ where: { id: person.id }, data: { role: 'AGENT' } }),
      );
    expect(await endsAfter(person, demote)).toBeLessThan(5_000);
  });
});

test('an API that is to end ends its streams of events, and is not held up by them', async () => {
  const { config, db } = api.deps;
  const ending = await startApi({ ...config, HOST: '127.0.0.1', PORT: 0 }, { db });
  const id = await own.draft();
  const response = await fetch(`${ending.url}/v1/campaigns/${id}/events`, {
    headers: { authorization: `Bearer ${own.approver.token}` },
  });
  const reader = response.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('DRAFT');
  const began = performance.now();
  const stopped = ending.stop();
  try {
    // An end, and not a connection that was cut: that would be thrown here.
    while ((await reader?.read())?.done === false);
  } finally {
    await stopped;
  }
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('who reads nothing of a stream is cut off, however much of it is unread', async () => {
  let over = false;
  const app = new Hono<AppEnv>().get('/', (c) => {
    cutUnread(c, 500);
    return stream(c, async (out) => {
      out.onAbort(() => void (over = true));
      while (!out.aborted) await out.write(new Uint8Array(1_048_576));
    });
  });
  const answer = getRequestListener(app.fetch);
  const { url, close } = await listen((request, response) => void answer(request, response));
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.pause().write('GET / HTTP/1.1\r\nHost: regente\r\n\r\n');
  try {
    await until('it is cut off', () => over, 10_000);
  } finally {
    socket.destroy();
    await close();
  }
});
