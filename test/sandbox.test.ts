import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sandboxAt, startSandboxProcess } from '../dev/sandbox/remote';
import { SANDBOX_TOKEN, startSandbox } from '../dev/sandbox';
import type { Sandbox, SandboxOptions } from '../dev/sandbox';
import { until } from './support/until';

const sandboxes: Sandbox[] = [];

async function sandboxWith(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  sandboxes.push(sandbox);
  return sandbox;
}

afterEach(async () => {
  await Promise.all(sandboxes.splice(0).map((sandbox) => sandbox.stop()));
});

/** The status and the JSON of the answer; status 0 when the connection ended without one. */
async function post(
  { url }: { url: string },
  reference: string,
  { to = '+5511987654321', key = reference, token = SANDBOX_TOKEN, body = 'Olá' } = {},
): Promise<{ status: number; json: Record<string, unknown> }> {
  try {
    const response = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        ...(key === '' ? {} : { 'idempotency-key': key }),
      },
      body: JSON.stringify({ reference, channel: 'sms', to, body }),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  } catch {
    return { status: 0, json: {} };
  }
}

describe('the vendor', () => {
  test('gives every message an id of its own and counts by our reference', async () => {
    const sandbox = await sandboxWith();
    const before = Date.now();
    const ids = new Set<unknown>();
    for (const reference of ['a.1', 'a.2', 'b.1'])
      ids.add((await post(sandbox, reference)).json['id']);
    expect(ids.size).toBe(3);
    const totals = sandbox.totals();
    expect(totals).toMatchObject({
      requests: 3,
      messages: 3,
      accepted: 3,
      unique: 3,
      duplicated: 0,
    });
    expect(totals.firstAcceptedAt).toBeGreaterThanOrEqual(before);
    expect(totals.lastAcceptedAt).toBeGreaterThanOrEqual(totals.firstAcceptedAt ?? Infinity);
    expect(sandbox.accepted({ prefix: 'a.' }).map(({ reference }) => reference)).toEqual([
      'a.1',
      'a.2',
    ]);
    expect(sandbox.accepted({ sinceMs: Date.now() + 1 })).toEqual([]);
  });

  test('refuses a wrong token, an unknown path and what is no message', async () => {
    const sandbox = await sandboxWith({ tokens: ['one', 'two'] });
    expect((await post(sandbox, 'a', { token: 'three' })).status).toBe(401);
    expect((await post(sandbox, 'a', { token: 'two' })).status).toBe(201);
    expect((await post(sandbox, 'b', { token: 'one', to: '' })).json).toMatchObject({
      code: 'invalid_request',
      permanent: true,
    });
    const headers = { authorization: 'Bearer one' };
    for (const body of ['no json', '[]', '{"channel":"pigeon","to":"x","body":"y"}']) {
      const response = await fetch(`${sandbox.url}/v1/messages`, { method: 'POST', headers, body });
      expect(response.status).toBe(400);
    }
    expect((await fetch(`${sandbox.url}/v2/messages`, { headers })).status).toBe(404);
    expect(sandbox.totals()).toMatchObject({ accepted: 1, unauthorized: 1, invalid: 4 });
  });

  test('a key is honoured for its life, only while keys are on, and only if it was sent', async () => {
    const sandbox = await sandboxWith();
    await post(sandbox, 'unkeyed', { key: '' });
    expect((await post(sandbox, 'unkeyed')).status).toBe(201);
    expect((await post(sandbox, 'unkeyed')).status).toBe(200);
    const first = await post(sandbox, 'r', { key: 'k' });
    expect(await post(sandbox, 'r', { key: 'k' })).toEqual({ status: 200, json: first.json });
    sandbox.configure({ idempotency: 'rejects' });
    expect(await post(sandbox, 'r', { key: 'k' })).toMatchObject({
      status: 409,
      json: { code: 'duplicate_key', id: first.json['id'] },
    });
    expect(sandbox.totals().duplicated).toBe(1);
    sandbox.configure({ idempotency: 'off' });
    expect((await post(sandbox, 'r', { key: 'k' })).status).toBe(201);
    expect(sandbox.totals().duplicated).toBe(2);
    const acceptedAt = Date.now();
    await until('the key is older than a millisecond', () => Date.now() > acceptedAt + 1);
    sandbox.configure({ idempotency: 'same', idempotencyTtlMs: 1 });
    expect((await post(sandbox, 'r', { key: 'k' })).status).toBe(201);
    expect(sandbox.totals()).toMatchObject({ duplicated: 3, unique: 2 });
  });

  test('each token has a rate limit of its own', async () => {
    const sandbox = await sandboxWith({
      tokens: ['one', 'two'],
      rateLimit: { perSecond: 0.01, burst: 1 },
    });
    const statuses = [];
    for (const token of ['one', 'one', 'two', 'two']) {
      statuses.push((await post(sandbox, `r-${statuses.length}`, { token })).status);
    }
    expect(statuses).toEqual([201, 429, 201, 429]);
  });

  test('latency is at least what was asked', async () => {
    const sandbox = await sandboxWith({ latency: { kind: 'jitter', minMs: 50, maxMs: 60 } });
    const startedMs = performance.now();
    expect((await post(sandbox, 'a')).status).toBe(201);
    // A timer may fire within the millisecond before its time.
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49);
    sandbox.configure({ latency: { kind: 'normal', meanMs: 20, deviationMs: 5 } });
    expect((await post(sandbox, 'b')).status).toBe(201);
  });

  test('in an outage nothing is accepted, however it shows', async () => {
    const sandbox = await sandboxWith({ outage: 'unavailable' });
    expect((await post(sandbox, 'a')).status).toBe(503);
    sandbox.configure({ outage: 'drop' });
    expect((await post(sandbox, 'b')).status).toBe(0);
    sandbox.configure({ outage: 'hang' });
    const hanging = post(sandbox, 'c');
    while (sandbox.totals().stalled === 0) await new Promise((resolve) => setImmediate(resolve));
    sandbox.configure({ outage: 'none' });
    expect((await post(sandbox, 'd')).status).toBe(201);
    expect(sandbox.accepted().map(({ reference }) => reference)).toEqual(['d']);
    await sandbox.stop();
    expect((await hanging).status).toBe(0);
  });
});

describe('faults', () => {
  test('each numbered address stages its fault, the passing ones at the first call only', async () => {
    const sandbox = await sandboxWith({ lateMs: 1 });
    const staged: Record<string, [number, number]> = {
      '01': [400, 400],
      '02': [400, 400],
      '03': [422, 422],
      '04': [429, 201],
      '05': [500, 201],
      '06': [500, 200],
      '07': [0, 200],
      '08': [0, 201],
      '10': [0, 200],
      '11': [503, 201],
      '12': [201, 200],
      '13': [201, 200],
    };
    for (const [digits, statuses] of Object.entries(staged)) {
      for (const to of [`+55119999900${digits}`, `sandbox-00${digits}@exemplo.com.br`]) {
        const seen = [await post(sandbox, to, { to }), await post(sandbox, to, { to })];
        expect([digits, seen.map(({ status }) => status)]).toEqual([digits, statuses]);
      }
    }
    expect(sandbox.totals().duplicated).toBe(0);
    sandbox.configure({ numberRules: false });
    expect((await post(sandbox, 'plain', { to: '+5511999990001' })).status).toBe(201);
  });

  test('strike by the seed and the reference, whatever the order of arrival', async () => {
    const rates = { reject: 0.1, error: 0.1, unavailable: 0.1, dropBefore: 0.1 };
    const references = Array.from({ length: 200 }, (_, index) => `m-${index}`);
    const run = async (seed: number, order: string[]): Promise<Record<string, number>> => {
      const sandbox = await sandboxWith({ seed, rates });
      const answers = await Promise.all(
        order.map(async (one) => [one, (await post(sandbox, one)).status] as const),
      );
      return Object.fromEntries(answers);
    };
    const first = await run(7, references);
    expect(await run(7, references.toReversed())).toEqual(first);
    expect(await run(8, references)).not.toEqual(first);
    const struck = Object.values(first).filter((status) => status !== 201).length;
    expect(struck).toBeGreaterThan(50);
    expect(struck).toBeLessThan(110);
  });

  test('what is struck after being accepted counts as accepted, what is struck before does not', async () => {
    for (const kind of ['errorAfter', 'dropAfter', 'cut'] as const) {
      const sandbox = await sandboxWith({ rates: { [kind]: 1 } });
      expect((await post(sandbox, 'a')).status).not.toBe(201);
      expect(sandbox.totals()).toMatchObject({ accepted: 1 });
    }
    for (const kind of ['error', 'unavailable', 'dropBefore', 'reject', 'rateLimited'] as const) {
      const sandbox = await sandboxWith({ rates: { [kind]: 1 } });
      expect((await post(sandbox, 'a')).status).not.toBe(201);
      expect(sandbox.totals()).toMatchObject({ accepted: 0, messages: 1 });
    }
  });
});

describe('what it keeps', () => {
  test('a call that arrives after the fence is a late start, for its prefix only', async () => {
    const sandbox = await sandboxWith({ journal: true });
    await post(sandbox, 'x.1');
    sandbox.configure({ fence: { at: Date.now() - 1, prefix: 'x.' }, rates: { error: 1 } });
    await post(sandbox, 'y.1');
    expect(sandbox.totals().lateStarts).toBe(0);
    await post(sandbox, 'x.2');
    expect(sandbox.totals()).toMatchObject({ lateStarts: 1, accepted: 1 });
    expect(sandbox.journal()).toMatchObject([
      { reference: 'x.1', status: 201, fault: 'none' },
      { reference: 'y.1', status: null, fault: 'error' },
      { reference: 'x.2', status: null, fault: 'error' },
    ]);
  });

  test('a reset forgets everything and goes back to the settings of the start', async () => {
    const sandbox = await sandboxWith({ seed: 3 });
    const first = await post(sandbox, 'a');
    sandbox.configure({ outage: 'unavailable' });
    await sandbox.reset();
    expect(sandbox.totals()).toMatchObject({ requests: 0, unique: 0, lastAcceptedAt: null });
    const again = await post(sandbox, 'a');
    expect(again.status).toBe(201);
    expect(again.json['id']).not.toBe(first.json['id']);
  });

  test('settings that make no sense are refused and change nothing', async () => {
    await expect(startSandbox({ rates: { error: 2 } })).rejects.toThrow();
    await expect(startSandbox({ rates: { error: 0.6, cut: 0.6 } })).rejects.toThrow('more than 1');
    const sandbox = await sandboxWith();
    expect(() => sandbox.configure({ rates: { error: -1 } })).toThrow();
    expect(() => sandbox.configure({ sead: 1 } as object)).toThrow();
    expect((await post(sandbox, 'a')).status).toBe(201);
  });
});

describe('in another process', () => {
  test('does over HTTP what it does in this one', async () => {
    const remote = await startSandboxProcess({ tokens: ['t'], seed: 5 });
    try {
      await post(remote, 'm.1', { token: 't', to: '+5511911112222' });
      await post(remote, 'n.1', { token: 't' });
      expect(await remote.totals()).toMatchObject({ accepted: 2, unique: 2 });
      expect(await remote.accepted({ prefix: 'n.' })).toMatchObject([
        { reference: 'n.1', count: 1 },
      ]);
      expect(await remote.messages({ to: '+5511911112222' })).toMatchObject([
        { reference: 'm.1', body: 'Olá', count: 1 },
      ]);
      await sandboxAt(remote.url).configure({ journal: true, outage: 'drop' });
      expect((await post(remote, 'o.1', { token: 't' })).status).toBe(0);
      await remote.configure({ outage: 'none' });
      await post(remote, 'o.1', { token: 't' });
      expect(await remote.journal()).toMatchObject([{ reference: 'o.1', status: 201 }]);
      await expect(remote.configure({ outage: 'sometimes' } as object)).rejects.toThrow('outage');
      await remote.flushWebhooks();
      await remote.reset();
      expect(await remote.totals()).toMatchObject({ accepted: 0, requests: 0 });
    } finally {
      await remote.stop();
    }
    await expect(remote.totals()).rejects.toThrow();
  });

  test('ends when the process that started it is gone', async () => {
    const script = join(__dirname, '../dev/sandbox/main.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, '--until-stdin-ends'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    expect(JSON.parse(line.toString())).toMatchObject({ pid: child.pid });
    child.stdin.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('says what is wrong with its settings and does not start', async () => {
    const settings = { idempotency: 'perhaps' } as object;
    await expect(startSandboxProcess(settings)).rejects.toThrow('status 1');
  });
});
