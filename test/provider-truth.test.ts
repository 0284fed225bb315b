import { startSandbox } from '../dev/sandbox';
import type { Sandbox, SandboxOptions } from '../dev/sandbox';
import { vendorFor } from '../providers/messaging';
import type { MessagingProvider, OutboundMessage, SendResult } from '../providers/messaging/port';

const message = (reference: string): OutboundMessage => ({
  reference,
  channel: 'sms',
  to: '+5511987654321',
  body: 'Olá',
});

const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function sandboxWith(options: SandboxOptions): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  endings.push(() => sandbox.stop());
  return sandbox;
}

function accountAt(url: string, config: object = {}): MessagingProvider {
  const account = { url, token: 'sandbox-token', webhookSecret: 's', connections: 16, ...config };
  const provider = vendorFor('sandbox').open(account);
  endings.push(() => provider.close());
  return provider;
}

/** Fails for every answer that the vendor's own books contradict; `ambiguous` claims nothing. */
function expectTruth(results: Map<string, SendResult>, books: Map<string, string>): void {
  const lies = [...results].filter(([reference, result]) => {
    if (result.kind === 'ambiguous') return false;
    if (result.kind === 'accepted') return books.get(reference) !== result.providerId;
    return books.has(reference);
  });
  expect(lies).toEqual([]);
}

const kindsOf = (results: Map<string, SendResult>): Set<string> =>
  new Set([...results.values()].map(({ kind }) => kind));

const ALL_KINDS = ['accepted', 'ambiguous', 'notCalled', 'rejected', 'retryLater'];

test.each([false, true])(
  'whatever strikes, no answer is contradicted by the books of the vendor (bulk: %s)',
  async (bulk) => {
    const rate = bulk ? 0.01 : 0.05;
    const sandbox = await sandboxWith({
      latency: { kind: 'jitter', minMs: 0, maxMs: 3 },
      lateMs: 400,
      rates: {
        reject: rate,
        rateLimited: rate,
        unavailable: rate,
        error: rate,
        errorAfter: rate,
        dropBefore: rate,
        dropAfter: rate,
        cut: rate,
        stall: rate / 5,
        late: rate / 5,
      },
    });
    const provider = accountAt(sandbox.url, { bulk });
    const results = new Map<string, SendResult>();
    await Promise.all(
      Array.from({ length: 100 }, async (_, batch) => {
        const references = Array.from({ length: 20 }, (_, index) => `m-${batch}-${index}`);
        // Some leases are over at once, some while the messages wait for a connection.
        const leaseMs = batch % 20 === 19 ? 0 : batch % 20 === 9 ? 5 : 60_000;
        const untilMs = performance.now() + leaseMs;
        const answers = await provider.send(references.map(message), {
          mayBegin: () => performance.now() < untilMs,
          requestTimeoutMs: 200,
        });
        references.forEach((reference, index) => results.set(reference, answers[index]!));
      }),
    );
    expect(results.size).toBe(2_000);
    expect([...kindsOf(results)].sort()).toEqual(ALL_KINDS);
    expectTruth(results, new Map(sandbox.accepted().map(({ reference, id }) => [reference, id])));
  },
);

test('a vendor that dies and comes back under load: every call ends, and no answer is untrue', async () => {
  const latency = { kind: 'fixed', ms: 2 } as const;
  let sandbox = await sandboxWith({ latency });
  const provider = accountAt(sandbox.url);
  const books = new Map<string, string>();
  const results = new Map<string, SendResult>();
  const run = { on: true, sent: 0 };
  const senders = Array.from({ length: 40 }, async () => {
    while (run.on) {
      const reference = `m-${(run.sent += 1)}`;
      const [result] = await provider.send([message(reference)], {
        mayBegin: () => true,
        requestTimeoutMs: 1_000,
      });
      results.set(reference, result!);
      // A refused connection fails within the same turn: let the others have theirs.
      if (result!.kind === 'notCalled') await new Promise((resolve) => setImmediate(resolve));
    }
  });
  for (let life = 0; life < 5; life += 1) {
    while (sandbox.totals().accepted < 200) await new Promise((resolve) => setImmediate(resolve));
    await sandbox.stop();
    const until = run.sent + 100;
    while (run.sent < until) await new Promise((resolve) => setImmediate(resolve));
    for (const { reference, id } of sandbox.accepted()) books.set(reference, id);
    sandbox = await sandboxWith({ latency, port: sandbox.port });
  }
  run.on = false;
  await Promise.all(senders);
  for (const { reference, id } of sandbox.accepted()) books.set(reference, id);
  expect(results.size).toBe(run.sent);
  expect([...kindsOf(results)].sort()).toEqual(['accepted', 'ambiguous', 'notCalled']);
  expectTruth(results, books);
});
