import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { createWebhookAccounts } from '../api/webhooks/accounts';
import { createWebhookIntake } from '../api/webhooks/intake';
import { signWebhook } from '../dev/sandbox/webhooks';
import { openDatabase } from '../prisma/client';
import type { InboxEvent, WebhookRoute } from '../prisma/delivery-events';
import { sandboxVendor } from '../providers/messaging/sandbox/index';
import { query } from './support/database';
import { createScene } from './support/executions';
import { createField, type Field } from './support/races';
import { startTcpProxy } from './support/tcp-proxy';
import { until } from './support/until';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterAll(() => field.drop());

const event = (over: Partial<InboxEvent> = {}): InboxEvent => ({
  eventId: randomUUID(),
  providerId: randomUUID(),
  reference: null,
  status: 'delivered',
  errorCode: null,
  occurredAt: new Date(),
  ...over,
});

async function newRoute(): Promise<WebhookRoute> {
  const { companyId, credentialId } = await createScene(field);
  return { companyId, credentialId, provider: 'sandbox' };
}

/** Of one process. */
function intake(): (route: WebhookRoute, events: readonly InboxEvent[]) => Promise<number> {
  const { store } = createWebhookIntake(field.db);
  return (route, events) => store(route, events, JSON.stringify({ events }));
}

/** What is stored for an account, and in how many transactions it was. */
async function inbox({ credentialId }: WebhookRoute): Promise<{ events: number; commits: number }> {
  const [row] = await query<{ events: number; commits: number }>(
    field.adminUrl,
    'SELECT count(*)::int AS events, count(DISTINCT xmin::text)::int AS commits FROM webhook_inbox WHERE credential_id = $1',
    [credentialId],
  );
  return row ?? { events: 0, commits: 0 };
}

describe('callbacks that come at once', () => {
  test('are all stored, with far fewer commits than there are callbacks', async () => {
    const [route, other] = [await newRoute(), await newRoute()];
    const store = intake();
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => store(i % 2 === 0 ? route : other, [event(), event()])),
    );
    expect(answers.every((stored) => stored === 2)).toBe(true);
    for (const each of [route, other]) {
      const { events, commits } = await inbox(each);
      expect(events).toBe(300);
      expect(commits).toBeLessThanOrEqual(3);
    }
  });

  test('count an event that several of them bring once, as new to the first', async () => {
    const route = await newRoute();
    const store = intake();
    const repeated = event();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => store(route, [repeated, event()])),
    );
    expect(answers.reduce((sum, stored) => sum + stored, 0)).toBe(51);
    expect((await inbox(route)).events).toBe(51);
  });

  test('do not suffer from one whose values the database cannot take', async () => {
    const route = await newRoute();
    const store = intake();
    // As a fault that nobody has foreseen.
    const noTime = { toISOString: () => 'no time' };
    const answers = await Promise.allSettled([
      store(route, [event()]),
      store(route, [event()]),
      store(route, [event(), event({ occurredAt: Object.assign(new Date(0), noTime) })]),
      store(route, [event()]),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect((await inbox(route)).events).toBe(3);
  });

  test('are all refused with the first one while the database is away, instead of one after the other', async () => {
    let connections = 0;
    const away = await startTcpProxy(field.appUrl, (near) => {
      connections += 1;
      near.destroy();
    });
    const db = openDatabase({ url: away.url });
    const { store } = createWebhookIntake(db);
    const route = await newRoute();
    const many = Array.from({ length: 600 }, () => event());
    const answers = await Promise.allSettled([1, 2, 3, 4].map(() => store(route, many, '')));
    const refused = { status: 'rejected', reason: { code: 'UNAVAILABLE' } };
    expect(answers).toMatchObject([refused, refused, refused, refused]);
    expect(connections).toBe(1);
    await db.close();
    await away.close();
  });

  test('of two processes that are told the same in another order both end', async () => {
    const route = await newRoute();
    const events = Array.from({ length: 500 }, () => event());
    const [one, two] = [intake(), intake()];
    const stored = await Promise.all([one(route, events), two(route, events.toReversed())]);
    expect(stored[0] + stored[1]).toBe(500);
  });
});

describe('an event that cannot be stored as it is', () => {
  test.each<[string, Partial<InboxEvent>]>([
    ['an id too long for an index', { eventId: randomBytes(6_000).toString('hex') }],
    ['an id of the vendor that is too long', { providerId: 'p'.repeat(501) }],
    ['a reference that is too long', { reference: 'r'.repeat(501) }],
    ['half of a surrogate pair', { eventId: '\ud800x' }],
    ['U+0000 in an error code', { errorCode: 'zero \0 byte' }],
    ['a year before the first', { occurredAt: new Date('-200000-01-01T00:00:00.000Z') }],
  ])('is refused for %s, and costs the others nothing', async (_, over) => {
    const route = await newRoute();
    const store = intake();
    const [one, odd, other] = await Promise.allSettled([
      store(route, [event()]),
      store(route, [event(over)]),
      store(route, [event()]),
    ]);
    expect([one, other].map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(odd).toMatchObject({ status: 'rejected', reason: { code: 'VALIDATION' } });
    expect((await inbox(route)).events).toBe(2);
  });

  test('is refused after the others of its own callback were stored, which a repetition finds there', async () => {
    const route = await newRoute();
    const store = intake();
    const callback = [event(), event({ providerId: 'v\0' }), event()];
    for (let repetition = 0; repetition < 2; repetition += 1) {
      await expect(store(route, callback)).rejects.toMatchObject({ code: 'VALIDATION' });
      expect((await inbox(route)).events).toBe(2);
    }
  });

  test.each(['9999-12-31T23:59:59.999Z', '+275760-09-13T00:00:00.000Z'])(
    'is stored with the time of its arrival when the vendor’s clock says %s',
    async (date) => {
      const route = await newRoute();
      const before = Date.now();
      await intake()(route, [event({ occurredAt: new Date(date) })]);
      const [row] = await query<{ occurred_at: Date }>(
        field.adminUrl,
        'SELECT occurred_at FROM webhook_inbox WHERE credential_id = $1',
        [route.credentialId],
      );
      expect(row!.occurred_at.getTime()).toBeGreaterThanOrEqual(before);
      expect(row!.occurred_at.getTime()).toBeLessThanOrEqual(Date.now());
    },
  );

  test('is stored at the limits: the longest ids in any script, the first year', async () => {
    const route = await newRoute();
    const store = intake();
    const eventId = Array.from({ length: 500 }, () =>
      String.fromCharCode(randomInt(0x4e00, 0x9fff)),
    ).join('');
    const occurredAt = new Date('0001-01-01T00:00:00.000Z');
    expect(await store(route, [event({ eventId, occurredAt })])).toBe(1);
  });

  test('is stored with the beginning of an error code that is too long', async () => {
    const route = await newRoute();
    const store = intake();
    expect(await store(route, [event({ errorCode: `${'e'.repeat(199)}😀` })])).toBe(1);
    const rows = await query<{ error_code: string }>(
      field.adminUrl,
      'SELECT error_code FROM webhook_inbox WHERE credential_id = $1',
      [route.credentialId],
    );
    expect(rows).toEqual([{ error_code: `${'e'.repeat(199)}\ufffd` }]);
  });
});

describe('the account of a path', () => {
  const tokenOf = async ({ credentialId }: WebhookRoute): Promise<string> => {
    const [row] = await query<{ webhook_token: string }>(
      field.adminUrl,
      'SELECT webhook_token FROM credentials WHERE id = $1',
      [credentialId],
    );
    return row!.webhook_token;
  };

  test('is no longer found a moment after its credential has gone', async () => {
    const route = await newRoute();
    const token = await tokenOf(route);
    const { find } = createWebhookAccounts(field.db, field.encryption, 100);
    expect(await find(token)).toMatchObject(route);
    await query(
      field.adminUrl,
      `UPDATE credentials SET webhook_token = webhook_token || 'x' WHERE id = $1`,
      [route.credentialId],
    );
    await until('the path leads nowhere', async () => (await find(token)) === undefined, 5_000);
    expect(await find(`${token}x`)).toMatchObject(route);
  });

  test('is verified with its new secret a moment after it was changed, and no longer with the old one', async () => {
    const route = await newRoute();
    const token = await tokenOf(route);
    const { find } = createWebhookAccounts(field.db, field.encryption, 100);
    const takes = async (secret: string): Promise<boolean> => {
      const now = new Date();
      const timestamp = String(Math.floor(now.getTime() / 1_000));
      const rawBody = '{"events":[]}';
      const headers = {
        'x-sandbox-timestamp': timestamp,
        'x-sandbox-signature': signWebhook(secret, timestamp, rawBody),
      };
      const { config } = (await find(token))!;
      return sandboxVendor.verifyWebhook(config, { headers, rawBody, now }).ok;
    };
    expect([await takes('whsec-test'), await takes('whsec-new')]).toEqual([true, false]);
    const config = { url: 'http://127.0.0.1:1', token: 't', webhookSecret: 'whsec-new' };
    const { companyId, credentialId } = route;
    await query(field.adminUrl, 'UPDATE credentials SET encrypted_config = $2 WHERE id = $1', [
      credentialId,
      field.encryption.encrypt(JSON.stringify(config), companyId, credentialId),
    ]);
    await until('the new secret is taken', () => takes('whsec-new'), 5_000);
    expect(await takes('whsec-test')).toBe(false);
  });
});
