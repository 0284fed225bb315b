import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startSandbox } from '../dev/sandbox';
import type { Sandbox, SandboxOptions } from '../dev/sandbox';
import { vendorFor } from '../providers/messaging';
import type { DeliveryEvent, OutboundMessage } from '../providers/messaging/port';
import { until } from './support/until';

const SECRET = 'webhook-secret';
const vendor = vendorFor('sandbox');
const endings: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

interface Receiver {
  url: string;
  /** Verified ones, in the order of arrival. */
  events: DeliveryEvent[];
  requests: number;
  /** How often the next requests are answered with 500 first. */
  failures: number;
  /** Nothing is answered before this. */
  open: Promise<void>;
}

/** Verifies every webhook exactly as the API will. */
async function receiver(): Promise<Receiver> {
  const received: Receiver = {
    url: '',
    events: [],
    requests: 0,
    failures: 0,
    open: Promise.resolve(),
  };
  const config = { url: 'http://127.0.0.1:1', token: 't', webhookSecret: SECRET };
  const server = createServer((request, response) => {
    let rawBody = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (rawBody += chunk));
    request.on('end', () => {
      received.requests += 1;
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      const verdict = vendor.verifyWebhook(config, { headers, rawBody, now: new Date() });
      const failing = received.failures > 0;
      if (failing) received.failures -= 1;
      else if (verdict.ok) received.events.push(...verdict.events);
      const status = failing ? 500 : verdict.ok ? 204 : 401;
      void received.open.then(() => response.writeHead(status).end());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endings.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  received.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return received;
}

async function sandboxTo(
  { url }: Receiver,
  webhooks: Partial<NonNullable<SandboxOptions['webhooks']>>,
  options: SandboxOptions = {},
): Promise<Sandbox> {
  const sandbox = await startSandbox({
    ...options,
    webhooks: { url, secret: SECRET, ...webhooks },
  });
  endings.push(() => sandbox.stop());
  return sandbox;
}

async function send(
  sandbox: Sandbox,
  count: number,
  to = '+5511987654321',
  config: Record<string, unknown> = {},
): Promise<void> {
  const account = { url: sandbox.url, token: 'sandbox-token', webhookSecret: SECRET };
  const provider = vendor.open({ ...account, ...config });
  const messages = Array.from({ length: count }, (_, index): OutboundMessage => ({
    reference: `m-${index}`,
    channel: 'sms',
    to,
    body: 'Olá',
  }));
  await provider.send(messages, { mayBegin: () => true, requestTimeoutMs: 5_000 });
  await provider.close();
}

const countOf = ({ events }: Receiver, status: string): number =>
  new Set(events.filter((one) => one.status === status).map(({ reference }) => reference)).size;

test('none are sent unless they are asked for', async () => {
  const sandbox = await startSandbox();
  endings.push(() => sandbox.stop());
  await send(sandbox, 10);
  await sandbox.flushWebhooks();
  expect(sandbox.totals()).toMatchObject({ webhooksPending: 0, webhooksSent: 0 });
});

test('what happened to each message is told once, signed, with the id and our reference', async () => {
  const received = await receiver();
  const sandbox = await sandboxTo(received, { delivered: 1 });
  await send(sandbox, 50);
  await sandbox.flushWebhooks();
  expect(received.events).toHaveLength(50);
  const idOf = new Map(sandbox.accepted().map(({ reference, id }) => [reference, id]));
  for (const { reference, providerId, status, occurredAt } of received.events) {
    expect(providerId).toBe(idOf.get(reference ?? ''));
    expect(status).toBe('delivered');
    expect(Math.abs(occurredAt.getTime() - Date.now())).toBeLessThan(60_000);
  }
  expect(sandbox.totals()).toMatchObject({ webhooksSent: 50, webhooksGivenUp: 0 });
});

test('rates are parts of what was accepted; batches hold many events; a repeat has the same event id', async () => {
  const received = await receiver();
  const webhooks = { delivered: 0.9, read: 0.4, failed: 0.05, repeated: 0.2, batchSize: 100 };
  const sandbox = await sandboxTo(received, webhooks);
  await send(sandbox, 1_000);
  await sandbox.flushWebhooks();
  expect(countOf(received, 'delivered')).toBeGreaterThan(850);
  expect(countOf(received, 'delivered')).toBeLessThan(940);
  expect(countOf(received, 'read')).toBeGreaterThan(340);
  expect(countOf(received, 'read')).toBeLessThan(460);
  expect(countOf(received, 'failed')).toBeGreaterThan(20);
  expect(countOf(received, 'failed')).toBeLessThan(90);
  const ids = new Set(received.events.map(({ eventId }) => eventId));
  expect(ids.size).toBeLessThan(received.events.length);
  expect(received.requests).toBeLessThan(received.events.length / 4);
  expect(sandbox.totals().webhooksSent).toBe(received.events.length);
});

test('out of order: read arrives before delivered and still happened after it', async () => {
  const received = await receiver();
  const webhooks = { delivered: 1, read: 1, minDelayMs: 20, maxDelayMs: 30, concurrency: 1 };
  const sandbox = await sandboxTo(received, { ...webhooks, outOfOrder: 1 });
  await send(sandbox, 1);
  await sandbox.flushWebhooks();
  expect(received.events.map(({ status }) => status)).toEqual(['read', 'delivered']);
  const [read, delivered] = received.events;
  expect(read!.occurredAt.getTime()).toBeGreaterThan(delivered!.occurredAt.getTime());
});

test('in order: delivered arrives before read', async () => {
  const received = await receiver();
  const sandbox = await sandboxTo(received, { delivered: 1, read: 1, concurrency: 1 });
  await send(sandbox, 1);
  await sandbox.flushWebhooks();
  expect(received.events.map(({ status }) => status)).toEqual(['delivered', 'read']);
});

test('late ones wait for their time, and a flush sends them at once', async () => {
  const received = await receiver();
  const sandbox = await sandboxTo(received, { delivered: 1, late: 1, lateMs: 600_000 });
  await send(sandbox, 3);
  expect(sandbox.totals()).toMatchObject({ webhooksPending: 3, webhooksSent: 0 });
  await sandbox.flushWebhooks({ now: true });
  expect(received.events).toHaveLength(3);
});

test('a refused one is sent again with a fresh signature, and given up after a bounded number', async () => {
  const received = await receiver();
  received.failures = 2;
  const sandbox = await sandboxTo(received, { delivered: 1, maxAttempts: 3, backoffMs: 1 });
  await send(sandbox, 1);
  await sandbox.flushWebhooks();
  expect(received.events).toHaveLength(1);
  expect(sandbox.totals()).toMatchObject({ webhooksSent: 1, webhookRetries: 2 });
  await sandbox.reset();
  received.failures = Infinity;
  await send(sandbox, 1);
  await sandbox.flushWebhooks();
  expect(received.requests).toBe(6);
  expect(sandbox.totals()).toMatchObject({ webhooksSent: 0, webhooksGivenUp: 1 });
});

test.each([false, true])(
  'a message is answered only after its first event was, where that is asked for (bulk: %s)',
  async (bulk) => {
    const received = await receiver();
    let openUp = (): void => undefined;
    received.open = new Promise((resolve) => (openUp = resolve));
    const webhooks = { delivered: 1, read: 1, minDelayMs: 600_000, maxDelayMs: 600_000 };
    const sandbox = await sandboxTo(received, { ...webhooks, beforeAnswer: 1 });
    let answered = false;
    const sent = send(sandbox, 20, undefined, { bulk }).then(() => (answered = true));
    await until('an event arrives', () => received.requests > 0);
    // Others are answered meanwhile.
    await fetch(`${sandbox.url}/_control/totals`);
    expect(answered).toBe(false);
    openUp();
    await sent;
    expect(countOf(received, 'delivered')).toBe(20);
    expect(received.events).toHaveLength(20);
    expect(sandbox.totals()).toMatchObject({ webhooksSent: 20, webhooksPending: 20 });
  },
);

test('a message whose first event is refused is answered all the same', async () => {
  const received = await receiver();
  received.failures = 1;
  const sandbox = await sandboxTo(received, { delivered: 1, beforeAnswer: 1, backoffMs: 200 });
  await send(sandbox, 1);
  expect(sandbox.totals()).toMatchObject({ webhooksSent: 0, webhooksPending: 1 });
  await sandbox.flushWebhooks();
  expect(received.events).toHaveLength(1);
  expect(sandbox.totals()).toMatchObject({ webhookRetries: 1, webhooksSent: 1 });
});

test('numbered addresses stage what is told about them', async () => {
  const received = await receiver();
  const sandbox = await sandboxTo(received, { delivered: 1, concurrency: 1 });
  await send(sandbox, 1, '+5511999990013');
  await sandbox.flushWebhooks();
  expect(received.events).toMatchObject([{ status: 'failed', errorCode: 'undeliverable' }]);
  await sandbox.reset();
  await send(sandbox, 1, '+5511999990014');
  await sandbox.flushWebhooks();
  expect(received.events).toHaveLength(1);
  await sandbox.reset();
  await send(sandbox, 1, '+5511999990015');
  await sandbox.flushWebhooks();
  expect(received.events.slice(1)).toMatchObject([{ status: 'delivered' }, { status: 'read' }]);
});

test('a sandbox that stops forgets what it had not sent', async () => {
  const received = await receiver();
  const sandbox = await sandboxTo(received, {
    delivered: 1,
    minDelayMs: 60_000,
    maxDelayMs: 60_000,
  });
  await send(sandbox, 2);
  const flushed = sandbox.flushWebhooks();
  await sandbox.stop();
  await flushed;
  expect(received.requests).toBe(0);
});
