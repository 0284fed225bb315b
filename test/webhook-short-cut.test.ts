import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createListener } from '../api/listener';
import { signWebhook } from '../dev/sandbox/webhooks';
import { createLogger } from '../telemetry';
import { metricsText } from '../telemetry/metrics';
import { startTestApi, type TestApi } from './support/api';
import { createBroker, createWallet } from './support/money-rows';
import { until } from './support/until';

/* Callbacks of the usual shape are answered without the framework; whoever calls must not see a difference. */

const SECRET = 'whsec-test';
const METRIC =
  /^regente_http_request_duration_seconds_count\{method="POST",route="\/v1\/webhooks\/:provider\/:token",status="(\d)xx"\} (\d+)/gm;

let api: TestApi;
let server: Server;
let url: string;
let path: string;
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  api = await startTestApi();
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const listener = createListener({ ...api.deps, logger: createLogger('info', 'test', { write }) });
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
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
  server.closeAllConnections();
  server.close();
  await api.close();
});

const eventsOf = (): string =>
  JSON.stringify({
    events: [
      { eventId: randomUUID(), status: 'delivered', occurredAt: new Date().toISOString(), id: 'v' },
    ],
  });

interface Delivery {
  to?: string;
  secret?: string;
  body?: string;
  headers?: Record<string, string>;
}

/** As the vendor delivers; in pieces, it does not announce a length. */
async function deliver(
  { to = path, secret = SECRET, body = eventsOf(), headers = {} }: Delivery,
  inPieces: boolean,
) {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const response = await fetch(url + to, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-sandbox-timestamp': timestamp,
      'x-sandbox-signature': signWebhook(secret, timestamp, body),
      ...headers,
    },
    ...(inPieces ? { body: new Blob([body]).stream(), duplex: 'half' as const } : { body }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  const { status, headers: got } = response;
  return {
    status,
    type: got.get('content-type'),
    challenge: got.get('www-authenticate'),
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
  ['one to another vendor', () => ({ to: path.replace('sandbox', 'twilio') }), 404],
  ['one to nobody', () => ({ to: '/v1/webhooks/sandbox/nobody' }), 404],
])('%s is answered, counted and logged alike, short cut or not', async (_, delivery, status) => {
  const answers = [];
  for (const inPieces of [false, true]) {
    const before = await counted();
    lines.length = 0;
    const given = await deliver(delivery(), inPieces);
    const { isShort, requestId, answer, ...rest } = given;
    expect(isShort).toBe(!inPieces);
    expect(rest.status).toBe(status);
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

test('a callback that breaks off in the middle stores nothing, and the next one is answered', async () => {
  const { hostname, port } = new URL(url);
  const body = eventsOf();
  const socket = connect(Number(port), hostname);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n{"ev`);
  await until('the server has it', async () => (await connections()) > 0);
  socket.destroy();
  expect(await deliver({ body }, false)).toMatchObject({ status: 200, answer: { stored: 1 } });
});

const connections = (): Promise<number> =>
  new Promise((resolve) => void server.getConnections((_, count) => resolve(count)));
