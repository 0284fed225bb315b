import { signWebhook } from '../dev/sandbox/webhooks';
import { readProjectFile } from './support/project-files';
import { RegenteError } from '../domain/errors';
import { vendorFor } from '../providers/messaging';

const vendor = vendorFor('sandbox');
const SECRET = 'webhook-secret';

describe('webhooks', () => {
  const now = new Date('2026-11-21T12:00:00Z');
  const config = { url: 'http://127.0.0.1:1', token: 't', webhookSecret: SECRET };
  const event = {
    eventId: 'evt_1',
    id: 'sbx_1',
    reference: '202611.m-1',
    status: 'delivered',
    errorCode: null,
    occurredAt: '2026-11-21T11:59:00.000Z',
  };
  const seconds = (atMs: number): string => String(Math.floor(atMs / 1_000));

  function verdict(payload: unknown, { atMs = now.getTime(), secret = SECRET, tamper = '' } = {}) {
    const rawBody = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const timestamp = seconds(atMs);
    const headers = {
      'x-sandbox-timestamp': timestamp,
      'x-sandbox-signature': signWebhook(secret, timestamp, rawBody),
    };
    return vendor.verifyWebhook(config, { headers, rawBody: rawBody + tamper, now });
  }

  test('a genuine one gives its events', () => {
    expect(verdict({ events: [event] })).toEqual({
      ok: true,
      events: [
        {
          eventId: 'evt_1',
          providerId: 'sbx_1',
          reference: '202611.m-1',
          status: 'delivered',
          errorCode: null,
          occurredAt: new Date('2026-11-21T11:59:00Z'),
        },
      ],
    });
  });

  test('a forged, altered or unsigned one is refused', () => {
    const forged = { ok: false, reason: 'signature' };
    expect(verdict({ events: [event] }, { secret: 'guessed' })).toEqual(forged);
    expect(verdict({ events: [event] }, { tamper: ' ' })).toEqual(forged);
    const rawBody = JSON.stringify({ events: [event] });
    const signature = signWebhook(SECRET, seconds(now.getTime()), rawBody);
    const unsigned: Record<string, string>[] = [
      {},
      { 'x-sandbox-timestamp': seconds(now.getTime()) },
      { 'x-sandbox-timestamp': seconds(now.getTime()), 'x-sandbox-signature': 'v1=00' },
      { 'x-sandbox-timestamp': seconds(now.getTime() + 1_000), 'x-sandbox-signature': signature },
    ];
    for (const headers of unsigned) {
      expect(vendor.verifyWebhook(config, { headers, rawBody, now })).toEqual(forged);
    }
  });

  test('one signed more than five minutes ago or ahead is refused, so that a replay is worthless', () => {
    const old = { ok: false, reason: 'timestamp' };
    for (const awayMs of [-301_000, 301_000]) {
      expect(verdict({ events: [event] }, { atMs: now.getTime() + awayMs })).toEqual(old);
    }
    expect(verdict({ events: [event] }, { atMs: now.getTime() - 299_000 })).toMatchObject({
      ok: true,
    });
  });

  test('a genuine one of an unknown shape is refused whole; an unknown status is left out', () => {
    const odd = { ok: false, reason: 'payload' };
    for (const payload of [
      'no json',
      '[]',
      {},
      { events: {} },
      { events: [event, null] },
      { events: [{ ...event, eventId: '' }] },
      { events: [{ ...event, occurredAt: 'yesterday' }] },
      { events: [{ ...event, reference: 7 }] },
    ]) {
      expect(verdict(payload)).toEqual(odd);
    }
    expect(verdict({ events: [{ ...event, status: 'typing' }] })).toEqual({ ok: true, events: [] });
  });
});

describe('config', () => {
  const valid = { url: 'https://vendor.example/', token: 't', webhookSecret: 's' };

  test('defaults are filled in', () => {
    expect(vendor.parseConfig(valid)).toEqual({
      url: 'https://vendor.example',
      token: 't',
      webhookSecret: 's',
      connections: 64,
      bulk: false,
      idempotency: true,
      lookup: true,
      lookupSettlesMs: 1_000,
      echoesReference: true,
    });
    expect(vendor.parseConfig(vendor.parseConfig(valid))).toEqual(vendor.parseConfig(valid));
  });

  test('has the fields and defaults that docs/providers.md lists', () => {
    const listed = readProjectFile('docs/providers.md').matchAll(/^\| `(\w+)` +\| `?(\w+)`? /gm);
    const fields = [...listed].map(([, field, value = '']) => [field, value]);
    const parsed = Object.entries(vendor.parseConfig(valid)).map(([field, value]) => [
      field,
      field in valid ? 'needed' : String(value),
    ]);
    expect(fields).toEqual(parsed);
  });

  test('everything wrong is told at once, by pointer and without its value', () => {
    const config = { url: 'ftp://x', token: 'two words', connections: 0, bulk: 'yes', 'a/b': 1 };
    let caught: unknown;
    try {
      vendor.parseConfig(config);
    } catch (error) {
      caught = error;
    }
    if (!(caught instanceof RegenteError)) throw new Error('It was not refused.');
    expect(caught.code).toBe('VALIDATION');
    expect(caught.fields.map(({ pointer }) => pointer).sort()).toEqual([
      '/a~1b',
      '/bulk',
      '/connections',
      '/token',
      '/url',
      '/webhookSecret',
    ]);
    expect(JSON.stringify(caught.fields)).not.toContain('two words');
  });

  test('what is no object, and a vendor that does not exist, are refused', () => {
    for (const config of [null, 'text', [valid]]) {
      expect(() => vendor.parseConfig(config)).toThrow(RegenteError);
    }
    expect(() => vendorFor('carrier-pigeon')).toThrow(
      expect.objectContaining({ code: 'VALIDATION' }),
    );
  });
});
