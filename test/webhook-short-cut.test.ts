import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { BODY_LIMIT_BYTES } from '../api/body-limit';
import type { ApiDeps } from '../api/context';
import { createListener } from '../api/listener';
import { signWebhook } from '../dev/sandbox/webhooks';
import { openDatabase, type Database } from '../prisma/client';
import { createEncryption } from '../prisma/encryption';
import { createLogger } from '../telemetry';
import { metricsText } from '../telemetry/metrics';
import { startTestApi, type TestApi } from './support/api';
import { query } from './support/database';
import { listen, type Listening } from './support/listen';
import { createBroker, createWallet } from './support/money-rows';
import { until } from './support/until';

/* Callbacks of the usual shape are answered without the framework; whoever calls must not see a difference. */

const SECRET = 'whsec-test';
const METRIC =
  /^regente_http_request_duration_seconds_count\{method="POST",route="\/v1\/webhooks\/:provider\/:token",status="(\d)xx"\} (\d+)/gm;

let api: TestApi;
let whole: Listening;
/** The same API while nobody listens where its database was. */
let cutOff: Listening;
let noDatabase: Database;
let path: string;
let lines: Record<string, unknown>[] = [];
/** Lines with this text cannot be written. */
let unwritable: string | null = null;

const write = (text: string): void => {
  const line = JSON.parse(text) as Record<string, unknown>;
  if (line['msg'] === unwritable) throw new Error('the disk is full');
  lines.push(line);
};

const listenWith = (changed: Partial<ApiDeps>): Promise<Listening> =>
  listen(
    createListener({ ...api.deps, logger: createLogger('info', 'test', { write }), ...changed }),
  );

beforeAll(async () => {
  api = await startTestApi();
  whole = await listenWith({});
  noDatabase = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nothing' });
  cutOff = await listenWith({ db: noDatabase });
  const { companyId, director } = api.first;
  const { body } = await api.request('POST', '/v1/credentials', {
    as: director,
    body: {
      walletId: await createWallet(api.deps.db, companyId),
      brokerId: await createBroker(api.deps.db, companyId),
      config: { url: 'https://sandbox.example.com', token: 't', webhookSecret: SECRET },
    },
  });
  path = new URL(body.webhookUrl).pathname;
});
afterAll(async () => {
  await Promise.all([whole.close(), cutOff.close()]);
  await noDatabase.close();
  await api.close();
});
beforeEach(() => {
  lines = [];
  unwritable = null;
});

const eventsOf = (over: Record<string, string> = {}): string => {
  const occurredAt = new Date().toISOString();
  const event = { eventId: randomUUID(), status: 'delivered', occurredAt, id: 'v', ...over };
  return JSON.stringify({ events: [event] });
};

interface Delivery {
  at?: Listening;
  to?: string;
  secret?: string;
  body?: string;
  headers?: Record<string, string>;
}

function headersOf(body: string, secret = SECRET): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  return {
    'content-type': 'application/json',
    'x-sandbox-timestamp': timestamp,
    'x-sandbox-signature': signWebhook(secret, timestamp, body),
  };
}

/** As the vendor delivers; in pieces, it does not announce a length. */
async function deliver(
  { at = whole, to = path, secret, body = eventsOf(), headers = {} }: Delivery,
  inPieces: boolean,
) {
  const response = await fetch(at.url + to, {
    method: 'POST',
    headers: { ...headersOf(body, secret), ...headers },
    ...(inPieces ? { body: new Blob([body]).stream(), duplex: 'half' as const } : { body }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  const { status, headers: got } = response;
  return {
    status,
    type: got.get('content-type'),
    challenge: got.get('www-authenticate'),
    retryAfter: got.get('retry-after'),
    requestId: got.get('x-request-id'),
    answer,
    isShort: !got.has('x-frame-options'),
  };
}

async function counted(): Promise<Record<string, number>> {
  const found = [...(await metricsText()).matchAll(METRIC)];
  return Object.fromEntries(found.map(([, status, count]) => [`${status}xx`, Number(count)]));
}

test.each<[string, () => Delivery, number]>([
  ['a genuine one', () => ({}), 200],
  ['one with parameters of the vendor', () => ({ to: `${path}?retry=1&source=eu-1` }), 200],
  ['one signed with another secret', () => ({ secret: 'adivinhado' }), 401],
  ['one that is not what the vendor documents', () => ({ body: '{"events":[7]}' }), 400],
  ['one of no JSON at all', () => ({ body: '<events/>' }), 400],
  ['a genuine one behind a byte order mark', () => ({ body: `\ufeff${eventsOf()}` }), 400],
  ['one of an id too long to store', () => ({ body: eventsOf({ eventId: 'e'.repeat(501) }) }), 400],
  ['one of U+0000 in an id', () => ({ body: eventsOf({ id: 'v\0' }) }), 400],
  ['one of half a surrogate pair', () => ({ body: eventsOf({ eventId: '\ud800x' }) }), 400],
  [
    'one of no usual year',
    () => ({ body: eventsOf({ occurredAt: '-200000-01-01T00:00:00.000Z' }) }),
    400,
  ],
  ['one to another vendor', () => ({ to: path.replace('sandbox', 'twilio') }), 404],
  ['one to nobody', () => ({ to: '/v1/webhooks/sandbox/nobody' }), 404],
  ['one of more than 1 MB', () => ({ body: eventsOf() + ' '.repeat(BODY_LIMIT_BYTES) }), 413],
  ['one while the database is down', () => ({ at: cutOff }), 503],
])('%s is answered, counted and logged alike, short cut or not', async (_, delivery, status) => {
  const answers = [];
  for (const inPieces of [false, true]) {
    const before = await counted();
    lines = [];
    const given = await deliver(delivery(), inPieces);
    const { isShort, requestId, answer, ...rest } = given;
    // What is large may take long, and is the framework's.
    expect(isShort).toBe(!inPieces && status !== 413);
    expect(rest.status).toBe(status);
    if (status === 503) expect(Number(rest.retryAfter)).toBeGreaterThanOrEqual(1);
    if (status !== 200) expect(answer['requestId']).toBe(requestId);
    const key = `${Math.floor(status / 100)}xx`;
    await until('it is counted', async () => (await counted())[key] === (before[key] ?? 0) + 1);
    // What was stored is in the metric alone.
    const line = { route: '/v1/webhooks/:provider/:token', method: 'POST', status, requestId };
    expect(lines).toEqual(status === 200 ? [] : [expect.objectContaining(line)]);
    answers.push({ ...rest, answer: { ...answer, requestId: null } });
  }
  expect(answers[0]).toEqual(answers[1]);
});

test('the caller’s own id of a request is kept, unless it is none', async () => {
  const asked = async (given: string): Promise<string | null> =>
    (await deliver({ headers: { 'x-request-id': given } }, false)).requestId;
  expect(await asked('vendor-7.1')).toBe('vendor-7.1');
  expect(await asked('with spaces')).toMatch(/^[0-9a-f-]{36}$/);
});

test('a callback that breaks off before its end stores nothing, and is stored when it comes again', async () => {
  const body = eventsOf();
  const headers = { host: 'x', ...headersOf(body), 'content-length': String(body.length + 1) };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const { hostname, port } = new URL(whole.url);
  const arrived = once(whole.server, 'request') as Promise<[IncomingMessage]>;
  const socket = connect(Number(port), hostname);
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n${body}`);
  const [request] = await arrived;
  const noticed = new Promise((resolve) => request.socket.once('close', resolve));
  socket.destroy();
  await noticed;
  expect(await inbox(body)).toBe(0);
  // One account's callbacks are stored one after the other, so a first one would be known by then.
  expect(await deliver({ body }, false)).toMatchObject({ status: 200, answer: { stored: 1 } });
  expect(await inbox(body)).toBe(1);
});

/** How many events of this body are stored. */
async function inbox(body: string): Promise<number> {
  const { events } = JSON.parse(body) as { events: { eventId: string }[] };
  const [row] = await query<{ n: number }>(
    api.database.adminUrl,
    'SELECT count(*)::int AS n FROM webhook_inbox WHERE event_id = ANY ($1)',
    [events.map(({ eventId }) => eventId)],
  );
  return row?.n ?? 0;
}

describe('a callback during which something fails that cannot be answered', () => {
  const failed = (): Record<string, unknown>[] =>
    lines.filter(({ msg }) => msg === 'callback failed');

  test('ends with its connection, and the log says why', async () => {
    const anotherKey = await listenWith({ encryption: createEncryption([randomBytes(32)]) });
    unwritable = 'request failed';
    await expect(deliver({ at: anotherKey }, false)).rejects.toThrow('fetch failed');
    expect(failed()).toMatchObject([{ level: 50, err: { message: 'the disk is full' } }]);
    await anotherKey.close();
  });

  test('is answered nevertheless where the answer was made before', async () => {
    unwritable = 'request';
    expect(await deliver({ secret: 'adivinhado' }, false)).toMatchObject({ status: 401 });
    await until('the log says why', () => failed().length === 1);
  });
});
