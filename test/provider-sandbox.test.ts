import { startSandbox } from '../dev/sandbox';
import type { Sandbox, SandboxOptions } from '../dev/sandbox';
import { vendorFor } from '../providers/messaging';
import type { MessagingProvider, OutboundMessage, SendResult } from '../providers/messaging/port';

const vendor = vendorFor('sandbox');
const SECRET = 'webhook-secret';
const sandboxes: Sandbox[] = [];
const providers: MessagingProvider[] = [];

async function sandboxWith(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  sandboxes.push(sandbox);
  return sandbox;
}

function accountAt(url: string, config: Record<string, unknown> = {}): MessagingProvider {
  const provider = vendor.open({ url, token: 'sandbox-token', webhookSecret: SECRET, ...config });
  providers.push(provider);
  return provider;
}

let references = 0;

function message(to = '+5511987654321', change: Partial<OutboundMessage> = {}): OutboundMessage {
  references += 1;
  return { reference: `202611.m-${references}`, channel: 'sms', to, body: 'Olá, João!', ...change };
}

async function sendOne(
  provider: MessagingProvider,
  one: OutboundMessage,
  { mayBegin = () => true, requestTimeoutMs = 2_000 } = {},
): Promise<SendResult> {
  const [result, ...others] = await provider.send([one], { mayBegin, requestTimeoutMs });
  expect(others).toEqual([]);
  return result!;
}

afterEach(async () => {
  await Promise.all(sandboxes.splice(0).map((sandbox) => sandbox.stop()));
  await Promise.all(providers.splice(0).map((provider) => provider.close()));
});

describe('send', () => {
  test('answers one result per message, in order, and the sandbox holds each content once', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const messages = Array.from({ length: 200 }, (_, index) =>
      message(index % 10 === 3 ? '+5511999990001' : undefined),
    );
    const results = await provider.send(messages, {
      mayBegin: () => true,
      requestTimeoutMs: 2_000,
    });
    expect(results).toHaveLength(200);
    const idOf = new Map(sandbox.accepted().map(({ reference, id }) => [reference, id]));
    results.forEach((result, index) => {
      if (index % 10 === 3) {
        expect(result).toMatchObject({ kind: 'rejected', code: 'invalid_number', permanent: true });
      } else {
        const providerId = idOf.get(messages[index]!.reference);
        expect(result).toEqual({ kind: 'accepted', providerId });
      }
    });
    expect(sandbox.totals()).toMatchObject({ unique: 180, duplicated: 0, rejected: 20 });
    expect(sandbox.messages()[0]).toMatchObject({ body: 'Olá, João!', channel: 'sms' });
  });

  test('every channel goes through, a template with its parameters too', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const template = { code: 'boas_vindas', parameters: ['João'] };
    const subject = 'Sua fatura';
    await sendOne(provider, message('ana@exemplo.com.br', { channel: 'email', subject }));
    await sendOne(provider, message(undefined, { channel: 'whatsapp', template }));
    expect(sandbox.messages()).toMatchObject([
      { channel: 'whatsapp', template, subject: null },
      { channel: 'email', to: 'ana@exemplo.com.br', subject },
    ]);
  });

  test('a refusal that can pass is not permanent', async () => {
    const sandbox = await sandboxWith();
    expect(await sendOne(accountAt(sandbox.url), message('+5511999990003'))).toMatchObject({
      kind: 'rejected',
      code: 'temporarily_blocked',
      permanent: false,
    });
  });

  test('the same key again answers the same id, and one message exists', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const one = message();
    const first = await sendOne(provider, one);
    expect(await sendOne(provider, one)).toEqual(first);
    expect(sandbox.totals()).toMatchObject({ accepted: 1, unique: 1, duplicated: 0, replayed: 1 });
  });

  test('a vendor that refuses a repeated key thereby proves that it has the message', async () => {
    const sandbox = await sandboxWith({ idempotency: 'rejects' });
    const provider = accountAt(sandbox.url, { idempotency: 'rejects' });
    expect(provider.capabilities.idempotency).toMatchObject({ onRepeat: 'rejects' });
    const one = message();
    const first = await sendOne(provider, one);
    expect(first.kind).toBe('accepted');
    expect(await sendOne(provider, one)).toEqual(first);
    expect(sandbox.totals()).toMatchObject({ accepted: 1, duplicated: 0 });
  });

  test('without keys a repeat is a second message, and the sandbox counts it', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url, { idempotency: false });
    expect(provider.capabilities.idempotency).toBe(false);
    const one = message();
    await sendOne(provider, one);
    await sendOne(provider, one);
    expect(sandbox.totals()).toMatchObject({ accepted: 2, unique: 1, duplicated: 1 });
    expect(sandbox.accepted().map(({ count }) => count)).toEqual([2, 2]);
  });

  test('a key used again for another content is ambiguous: something was accepted under it', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const one = message();
    await sendOne(provider, one);
    expect(await sendOne(provider, { ...one, body: 'Outra coisa' })).toEqual({
      kind: 'ambiguous',
      code: 'key_reused',
    });
    expect(sandbox.totals()).toMatchObject({ accepted: 1, keyConflicts: 1 });
  });

  test('a rate limit is retryLater, after what Retry-After says in seconds or as a date', async () => {
    for (const retryAfter of ['seconds', 'date'] as const) {
      const sandbox = await sandboxWith({ rateLimit: { perSecond: 0.25, burst: 2 }, retryAfter });
      const provider = accountAt(sandbox.url);
      const results = await provider.send([message(), message(), message()], {
        mayBegin: () => true,
        requestTimeoutMs: 2_000,
      });
      expect(results.filter(({ kind }) => kind === 'accepted')).toHaveLength(2);
      const limited = results.find((result) => result.kind === 'retryLater');
      expect(limited).toMatchObject({ kind: 'retryLater', code: 'rate_limited' });
      const afterMs = limited?.kind === 'retryLater' ? limited.afterMs : 0;
      expect(afterMs).toBeGreaterThan(2_500);
      expect(afterMs).toBeLessThanOrEqual(5_000);
      expect(sandbox.totals()).toMatchObject({ accepted: 2, rateLimited: 1 });
    }
  });

  test('503 never accepts and is retryLater; 500 may have accepted and is ambiguous', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    expect(await sendOne(provider, message('+5511999990011'))).toEqual({
      kind: 'retryLater',
      afterMs: 1_000,
      code: 'unavailable',
    });
    const before = message('+5511999990005');
    const after = message('+5511999990006');
    expect(await sendOne(provider, before)).toEqual({ kind: 'ambiguous', code: 'HTTP_500' });
    expect(await sendOne(provider, after)).toEqual({ kind: 'ambiguous', code: 'HTTP_500' });
    expect(sandbox.accepted().map(({ reference }) => reference)).toEqual([after.reference]);
  });

  test('a connection dropped after the write is ambiguous, whether or not the message was taken', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const taken = message('+5511999990007');
    expect((await sendOne(provider, taken)).kind).toBe('ambiguous');
    expect((await sendOne(provider, message('+5511999990008'))).kind).toBe('ambiguous');
    expect(sandbox.accepted().map(({ reference }) => reference)).toEqual([taken.reference]);
    expect(sandbox.totals()).toMatchObject({ dropped: 2, droppedBefore: 1, droppedAfter: 1 });
    expect((await sendOne(provider, taken)).kind).toBe('accepted');
    expect(sandbox.totals()).toMatchObject({ unique: 1, duplicated: 0, replayed: 1 });
  });

  test('a reply cut in the middle and an answer that never comes are ambiguous', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    expect((await sendOne(provider, message('+5511999990010'))).kind).toBe('ambiguous');
    const stalled = await sendOne(provider, message('+5511999990009'), { requestTimeoutMs: 100 });
    expect(stalled).toEqual({ kind: 'ambiguous', code: 'TIMEOUT' });
    expect(sandbox.totals()).toMatchObject({ unique: 2, cut: 1, stalled: 1 });
  });

  test('a refused connection is notCalled', async () => {
    const sandbox = await sandboxWith();
    await sandbox.stop();
    expect(await sendOne(accountAt(sandbox.url), message())).toEqual({
      kind: 'notCalled',
      code: 'ECONNREFUSED',
    });
  });

  test('what still waits for a connection when the lease ends is notCalled, and the sandbox never sees it', async () => {
    const sandbox = await sandboxWith({ latency: { kind: 'fixed', ms: 300 } });
    const provider = accountAt(sandbox.url, { connections: 1 });
    let lease = true;
    const sending = provider.send([message(), message(), message()], {
      mayBegin: () => lease,
      requestTimeoutMs: 2_000,
    });
    while (sandbox.totals().messages === 0) await new Promise((resolve) => setImmediate(resolve));
    lease = false;
    expect((await sending).map(({ kind }) => kind)).toEqual(['accepted', 'notCalled', 'notCalled']);
    lease = true;
    expect((await sendOne(provider, message())).kind).toBe('accepted');
    expect(sandbox.totals()).toMatchObject({ requests: 2, unique: 2 });
  });

  test('a wrong token is about the account and spends no message', async () => {
    const sandbox = await sandboxWith({ tokens: ['another-token'] });
    const provider = accountAt(sandbox.url);
    const result = await sendOne(provider, message());
    expect(result).toMatchObject({ kind: 'accountRefused', code: 'HTTP_401' });
    expect(sandbox.totals()).toMatchObject({ unauthorized: 1, accepted: 0 });
  });
});

describe('bulk', () => {
  test('splits at 500 and answers per message, in order, idempotent per message', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url, { bulk: true });
    expect(provider.capabilities.maxBatch).toBe(500);
    const messages = Array.from({ length: 501 }, (_, index) =>
      message(index === 250 ? '+5511999990001' : undefined),
    );
    const context = { mayBegin: () => true, requestTimeoutMs: 5_000 };
    const first = await provider.send(messages, context);
    expect(first).toHaveLength(501);
    expect(first[250]).toMatchObject({ kind: 'rejected', code: 'invalid_number' });
    expect(first.filter(({ kind }) => kind === 'accepted')).toHaveLength(500);
    expect(await provider.send(messages, context)).toEqual(first);
    expect(sandbox.totals()).toMatchObject({ bulkRequests: 4, unique: 500, duplicated: 0 });
  });

  test('what exceeds the rate limit is retryLater, the rest is accepted', async () => {
    const sandbox = await sandboxWith({ rateLimit: { perSecond: 1, burst: 3 } });
    const provider = accountAt(sandbox.url, { bulk: true });
    const results = await provider.send(
      Array.from({ length: 5 }, () => message()),
      {
        mayBegin: () => true,
        requestTimeoutMs: 2_000,
      },
    );
    expect(results.map(({ kind }) => kind)).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'retryLater',
      'retryLater',
    ]);
  });

  test('a connection dropped after accepting makes every message of the request ambiguous', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url, { bulk: true });
    const results = await provider.send([message(), message('+5511999990007'), message()], {
      mayBegin: () => true,
      requestTimeoutMs: 2_000,
    });
    expect(results.map(({ kind }) => kind)).toEqual(['ambiguous', 'ambiguous', 'ambiguous']);
    expect(sandbox.totals()).toMatchObject({ unique: 3 });
  });

  test('an endpoint that is switched off is about the account and spends no message', async () => {
    const sandbox = await sandboxWith({ bulk: false });
    const result = await sendOne(accountAt(sandbox.url, { bulk: true }), message());
    expect(result).toMatchObject({ kind: 'accountRefused', code: 'HTTP_404' });
  });
});

describe('lookup', () => {
  test('finds what was accepted and only that, in the order asked', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    const messages = Array.from({ length: 120 }, () => message());
    const results = await provider.send(messages, {
      mayBegin: () => true,
      requestTimeoutMs: 2_000,
    });
    const asked = messages.flatMap(({ reference }, index) =>
      index === 60 ? ['never-sent', reference] : [reference],
    );
    const found = await provider.lookup!(asked);
    expect(found).toHaveLength(121);
    expect(found[60]).toEqual({ kind: 'notFound' });
    found.splice(60, 1);
    expect(found).toEqual(
      results.map((result) => ({
        kind: 'found',
        providerId: result.kind === 'accepted' ? result.providerId : '',
      })),
    );
  });

  test('is not authoritative before the vendor settles, and says after how long it is', async () => {
    const sandbox = await sandboxWith({ settleMs: 60_000 });
    const provider = accountAt(sandbox.url, { lookupSettlesMs: 60_000 });
    expect(provider.capabilities.lookup).toEqual({ settlesAfterMs: 60_000, authoritative: true });
    const one = message();
    await sendOne(provider, one);
    expect(await provider.lookup!([one.reference])).toEqual([{ kind: 'notFound' }]);
    sandbox.configure({ settleMs: 0 });
    expect(await provider.lookup!([one.reference])).toMatchObject([{ kind: 'found' }]);
  });

  test('an outage is unavailable, never notFound', async () => {
    const sandbox = await sandboxWith();
    const provider = accountAt(sandbox.url);
    for (const outage of ['unavailable', 'drop'] as const) {
      sandbox.configure({ outage });
      expect(await provider.lookup!(['a'])).toMatchObject([{ kind: 'unavailable' }]);
    }
    sandbox.configure({ outage: 'none', lookup: false });
    expect(await provider.lookup!(['a'])).toEqual([{ kind: 'unavailable', code: 'HTTP_404' }]);
  });

  test('an account without it has none', () => {
    const provider = accountAt('http://127.0.0.1:1', { lookup: false });
    expect(provider.capabilities.lookup).toBe(false);
    expect('lookup' in provider).toBe(false);
  });
});
