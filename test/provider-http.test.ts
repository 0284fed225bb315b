import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createHttpClient, retryAfterMs } from '../providers/messaging/http';
import type {
  HttpCall,
  HttpClient,
  HttpClientOptions,
  HttpOutcome,
} from '../providers/messaging/http';
import { until } from './support/until';

/** A TCP server whose every move is staged by the test. */
interface Stage {
  origin: string;
  server: Server;
  sockets: Socket[];
  /** Everything that any client wrote. */
  received: () => string;
}

const REPLY = 'HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{"id":1}';

const stages: Stage[] = [];
const clients: HttpClient[] = [];

async function stage(onData: (socket: Socket, text: string) => void): Promise<Stage> {
  let received = '';
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received += chunk.toString();
      onData(socket, chunk.toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const made = { origin, server, sockets, received: () => received };
  stages.push(made);
  return made;
}

function client(origin: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const made = createHttpClient({ origin, connections: 1, ...options });
  clients.push(made);
  return made;
}

function post(
  http: HttpClient,
  body: string,
  { mayBegin = () => true, requestTimeoutMs = 5_000 }: Partial<HttpCall> = {},
): Promise<HttpOutcome> {
  return http.call({ method: 'POST', path: '/', headers: [], body, mayBegin, requestTimeoutMs });
}

afterEach(async () => {
  for (const { server, sockets } of stages.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
  await Promise.all(clients.splice(0).map((http) => http.close()));
});

test('a whole reply is a response, and the connection is used again', async () => {
  const { origin, sockets } = await stage((socket) => socket.write(REPLY));
  const http = client(origin);
  for (const body of ['a', 'b']) {
    expect(await post(http, body)).toMatchObject({
      kind: 'response',
      status: 201,
      body: '{"id":1}',
    });
  }
  expect(sockets).toHaveLength(1);
});

test('a reply in pieces, with multi-byte characters split between them, is read whole', async () => {
  const bytes = Buffer.from('{"nome":"João"}');
  const { origin } = await stage((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes.subarray(0, 12));
    setImmediate(() => socket.write(bytes.subarray(12)));
  });
  expect(await post(client(origin), 'a')).toMatchObject({ body: '{"nome":"João"}' });
});

test('a refused connection is notWritten, and the client recovers when the server comes back', async () => {
  const gone = await stage((socket) => socket.write(REPLY));
  await new Promise((resolve) => gone.server.close(resolve));
  const http = client(gone.origin, { connections: 2 });
  const refused = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((body) => post(http, body)));
  for (const outcome of refused) {
    expect(outcome).toEqual({ kind: 'notWritten', code: 'ECONNREFUSED' });
  }
  await new Promise<void>((resolve) =>
    gone.server.listen(Number(new URL(gone.origin).port), '127.0.0.1', resolve),
  );
  expect(await post(http, 'g')).toMatchObject({ kind: 'response' });
});

test('a name that does not resolve and a failed TLS handshake are notWritten', async () => {
  const unresolved = client('http://no-such-host.invalid');
  expect(await post(unresolved, 'a')).toMatchObject({ kind: 'notWritten' });
  const plain = await stage((socket) => socket.end('this is no TLS'));
  const http = client(plain.origin.replace('http:', 'https:'));
  expect(await post(http, 'a secret body')).toMatchObject({ kind: 'notWritten' });
  expect(plain.received()).not.toContain('a secret body');
});

test('a connection that ends after the write is ambiguous, whether by end or by reset', async () => {
  for (const end of [
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.resetAndDestroy(),
  ]) {
    const { origin, received } = await stage(end);
    expect(await post(client(origin), 'a')).toMatchObject({ kind: 'ambiguous' });
    expect(received()).toContain('POST / HTTP/1.1');
  }
});

test('a kept-alive connection that the server closes as we write is ambiguous, and nothing is written twice', async () => {
  let requests = 0;
  const { origin, sockets } = await stage((socket) => {
    requests += 1;
    if (requests === 1) socket.write(REPLY);
    else socket.destroy();
  });
  const http = client(origin);
  expect(await post(http, 'first')).toMatchObject({ kind: 'response' });
  expect(await post(http, 'second')).toMatchObject({ kind: 'ambiguous' });
  expect(requests).toBe(2);
  expect(sockets).toHaveLength(1);
});

test('a GET whose connection ends after the write is not repeated either', async () => {
  const { origin, received } = await stage((socket) => socket.destroy());
  const outcome = await client(origin).call({
    method: 'GET',
    path: '/once',
    headers: [],
    body: null,
    mayBegin: () => true,
    requestTimeoutMs: 1_000,
  });
  expect(outcome).toMatchObject({ kind: 'ambiguous' });
  expect(received().match(/GET \/once/g)).toHaveLength(1);
});

test('a reply cut in the middle is ambiguous', async () => {
  const { origin } = await stage((socket) => socket.end(REPLY.slice(0, -3)));
  expect(await post(client(origin), 'a')).toMatchObject({ kind: 'ambiguous' });
});

test('a reply that is no HTTP, or larger than the limit, is ambiguous', async () => {
  const odd = await stage((socket) => socket.end('what?\r\n\r\n'));
  expect(await post(client(odd.origin), 'a')).toMatchObject({ kind: 'ambiguous' });
  const large = await stage((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(5_000)}`),
  );
  const http = client(large.origin, { maxReplyBytes: 1_000 });
  expect(await post(http, 'a')).toEqual({
    kind: 'ambiguous',
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  });
});

test('no answer within the request timeout is ambiguous, soon after the timeout', async () => {
  const { origin } = await stage(() => {});
  const startedMs = performance.now();
  const outcome = await post(client(origin), 'a', { requestTimeoutMs: 150 });
  const tookMs = performance.now() - startedMs;
  expect(outcome).toEqual({ kind: 'ambiguous', code: 'TIMEOUT' });
  expect(tookMs).toBeGreaterThanOrEqual(150);
  expect(tookMs).toBeLessThan(1_000);
});

test('a reply that had arrived while this process was busy is read, not timed out', async () => {
  const { origin } = await stage((socket, text) => {
    socket.write(REPLY);
    if (!text.includes('busy')) return;
    const untilMs = performance.now() + 80;
    while (performance.now() < untilMs);
  });
  const http = client(origin);
  expect((await post(http, 'warm')).kind).toBe('response');
  const outcome = await post(http, 'busy', { requestTimeoutMs: 20 });
  expect(outcome).toMatchObject({ kind: 'response' });
});

test('mayBegin false at the write: no byte leaves, and the connection stays usable', async () => {
  const { origin, received, sockets } = await stage((socket) => socket.write(REPLY));
  const http = client(origin);
  await post(http, 'warm');
  const outcome = await post(http, 'forbidden', { mayBegin: () => false });
  expect(outcome).toEqual({ kind: 'notWritten', code: 'LEASE_OVER' });
  expect(await post(http, 'after')).toMatchObject({ kind: 'response' });
  expect(received()).not.toContain('forbidden');
  expect(received()).toContain('after');
  expect(sockets).toHaveLength(1);
});

test('a call whose lease ends while it waits in the queue is told so before a connection is free', async () => {
  let release = (): void => {};
  const { origin, received } = await stage((socket, text) => {
    if (text.includes('slow')) release = () => socket.write(REPLY);
    else socket.write(REPLY);
  });
  const http = client(origin);
  const slow = post(http, 'slow');
  await until('the vendor has read it', () => received().includes('slow'));
  let lease = true;
  const queued = post(http, 'queued', { mayBegin: () => lease });
  lease = false;
  expect(await queued).toEqual({ kind: 'notWritten', code: 'LEASE_OVER' });
  lease = true;
  release();
  expect(await slow).toMatchObject({ kind: 'response' });
  expect(await post(http, 'last')).toMatchObject({ kind: 'response' });
  expect(received()).not.toContain('queued');
});

test('a lease that ends while the connection is being made ends the call', async () => {
  const silent = await stage(() => {});
  const http = client(silent.origin.replace('http:', 'https:'));
  const untilMs = performance.now() + 100;
  const outcome = await post(http, 'a', { mayBegin: () => performance.now() < untilMs });
  expect(outcome).toEqual({ kind: 'notWritten', code: 'LEASE_OVER' });
  const closingMs = performance.now();
  await http.close();
  expect(performance.now() - closingMs).toBeLessThan(1_000);
});

test('a header that cannot be sent is notWritten', async () => {
  const { origin, received } = await stage((socket) => socket.write(REPLY));
  const outcome = await client(origin).call({
    method: 'POST',
    path: '/',
    headers: ['idempotency-key', 'a\r\nx: y'],
    body: 'a',
    mayBegin: () => true,
    requestTimeoutMs: 1_000,
  });
  expect(outcome).toEqual({ kind: 'notWritten', code: 'UND_ERR_INVALID_ARG' });
  expect(received()).toBe('');
});

test('closing lets the call under way end and refuses later ones', async () => {
  const { origin } = await stage((socket) => setImmediate(() => socket.write(REPLY)));
  const http = createHttpClient({ origin, connections: 1 });
  const call = post(http, 'a');
  const closed = http.close();
  expect(await call).toMatchObject({ kind: 'response' });
  await closed;
  expect(await post(http, 'b')).toEqual({ kind: 'notWritten', code: 'CLOSED' });
});

test('Retry-After is read as seconds or as a date, and kept within an hour', () => {
  expect(retryAfterMs('7', 1)).toBe(7_000);
  expect(retryAfterMs('0', 1)).toBe(0);
  const inTenSeconds = retryAfterMs(new Date(Date.now() + 10_000).toUTCString(), 1);
  expect(inTenSeconds).toBeGreaterThan(8_000);
  expect(inTenSeconds).toBeLessThanOrEqual(10_000);
  expect(retryAfterMs(new Date(0).toUTCString(), 1)).toBe(0);
  expect(retryAfterMs('999999', 1)).toBe(3_600_000);
  for (const nothing of [undefined, '', 'soon', '-5x']) expect(retryAfterMs(nothing, 42)).toBe(42);
});
