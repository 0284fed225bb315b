import { randomUUID } from 'node:crypto';
import { signWebhook } from '../dev/sandbox/webhooks';
import { query } from './support/database';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';
import { createBroker, createWallet } from './support/money-rows';

const SECRET = 'segredo-do-webhook';

let api: MoneyApi;
let tenant: Tenant;
let path: string;

beforeAll(async () => {
  api = await startMoneyApi();
  tenant = await api.tenant();
  path = await webhookOf(tenant);
});
afterAll(() => api.stop());

/** The path of a new account of this company. */
async function webhookOf({ companyId, call }: Tenant): Promise<string> {
  const body = {
    walletId: await createWallet(api.db, companyId),
    brokerId: await createBroker(api.db, companyId),
    config: { url: 'https://sandbox.example.com', token: 't', webhookSecret: SECRET },
  };
  const { webhookUrl } = (await call('POST', '/v1/credentials', { body })).body as {
    webhookUrl: string;
  };
  return webhookUrl.slice(webhookUrl.indexOf('/v1/webhooks/'));
}

const eventsOf = (count: number) =>
  JSON.stringify({
    events: Array.from({ length: count }, () => ({
      eventId: randomUUID(),
      id: randomUUID(),
      status: 'delivered',
      occurredAt: new Date().toISOString(),
    })),
  });

interface Delivery {
  to?: string;
  secret?: string;
  sentAt?: number;
  /** What arrives, if it is not what was signed. */
  arrives?: string;
}

/** Delivers as the vendor does. */
async function deliver(
  signed: string,
  { to = path, secret = SECRET, sentAt = Date.now(), arrives = signed }: Delivery = {},
) {
  const timestamp = String(Math.floor(sentAt / 1_000));
  const response = await fetch(api.url + to, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-sandbox-timestamp': timestamp,
      'x-sandbox-signature': signWebhook(secret, timestamp, signed),
    },
    body: arrives,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const inbox = async (companyId = tenant.companyId): Promise<number> =>
  (
    await query(api.database.adminUrl, 'SELECT FROM webhook_inbox WHERE company_id = $1', [
      companyId,
    ])
  ).length;

test('events of the vendor are stored once for the company of the path, however often they arrive', async () => {
  const before = await inbox();
  const body = eventsOf(3);
  expect(await deliver(body)).toEqual({ status: 200, body: { stored: 3 } });
  expect(await deliver(body)).toEqual({ status: 200, body: { stored: 0 } });
  expect(await inbox()).toBe(before + 3);
  const other = await api.tenant();
  expect(await deliver(body, { to: await webhookOf(other) })).toMatchObject({
    body: { stored: 3 },
  });
  expect(await inbox()).toBe(before + 3);
  expect(await inbox(other.companyId)).toBe(3);
});

test.each<[string, (body: string) => Delivery]>([
  ['signed with another secret', () => ({ secret: 'adivinhado' })],
  ['changed on the way', (body) => ({ arrives: `${body} ` })],
  ['of an hour ago', () => ({ sentAt: Date.now() - 3_600_000 })],
  ['of an hour ahead', () => ({ sentAt: Date.now() + 3_600_000 })],
])('a delivery %s is refused and nothing of it is stored', async (_, how) => {
  const before = await inbox();
  const body = eventsOf(2);
  expect(await deliver(body, how(body))).toMatchObject({
    status: 401,
    body: { code: 'UNAUTHENTICATED' },
  });
  expect(await inbox()).toBe(before);
});

test('a genuine delivery that is not what the vendor documents is refused', async () => {
  for (const body of ['', 'null', '{"events":[{"status":"delivered"}]}', '<events/>']) {
    expect(await deliver(body)).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION', errors: [{ pointer: '' }] },
    });
  }
});

const NUL = 'contains U+0000, which cannot be stored';

test.each([
  [{ id: 'v\0' }, NUL],
  [{ eventId: 'e\0' }, NUL],
  [{ reference: '\0' }, NUL],
  [{ errorCode: 'E\0' }, NUL],
  [{ eventId: 'e'.repeat(501) }, 'is longer than 500 characters'],
  [{ reference: '\ud800' }, 'contains half of a surrogate pair, which is no character'],
  [{ occurredAt: '-200000-01-01T00:00:00.000Z' }, 'is before the year 1'],
])(
  'a delivery with %j stores the other events, and is refused with a pointer at that field',
  async (odd, detail) => {
    const before = await inbox();
    const { events } = JSON.parse(eventsOf(2)) as { events: Record<string, unknown>[] };
    // What is left out does not move the others.
    const unknown = { ...events[0], eventId: randomUUID(), status: 'typing' };
    const body = JSON.stringify({ events: [events[0], unknown, { ...events[1], ...odd }] });
    const pointer = `/events/2/${Object.keys(odd).join()}`;
    expect(await deliver(body)).toMatchObject({
      status: 400,
      body: {
        code: 'VALIDATION',
        detail: `The payload cannot be stored: ${pointer} ${detail}.`,
        errors: [{ pointer, detail }],
      },
    });
    expect(await inbox()).toBe(before + 1);
  },
);

test('more than 1 MB is refused before anybody has looked at it, signed or not', async () => {
  const large = JSON.stringify({ events: [], filler: 'x'.repeat(1_100_000) });
  for (const to of [path, '/v1/webhooks/sandbox/x'])
    expect(await deliver(large, { to })).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE' },
    });
});

test('a path that nobody was given answers as one that does not exist', async () => {
  const body = eventsOf(1);
  const guesses = [`${path}x`, path.replace('/sandbox/', '/twilio/'), '/v1/webhooks/sandbox/x'];
  for (const to of guesses) {
    expect(await deliver(body, { to })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  }
});
