import { createLogger } from '../telemetry';
import { createTracing } from '../telemetry/otlp';
import { currentTraceParent, switchOnTraces, traced } from '../telemetry/traces';
import { startCollector, type Collector } from './support/collector';

const SERVER = { name: 'a request', kind: 'server' } as const;
const CLIENT = { name: 'a call', kind: 'client' } as const;
const logger = createLogger('silent', 'test');
const options = { headers: undefined, service: 'regente-test', logger };

let collector: Collector;
beforeEach(async () => {
  collector = await startCollector();
});
afterEach(() => collector.stop());

const start = (headers?: string): (() => Promise<void>) =>
  switchOnTraces(createTracing({ ...options, headers, endpoint: collector.url }));

test('while they are off, the work is done as if nobody had asked', async () => {
  expect(await traced(SERVER, () => Promise.resolve(currentTraceParent()))).toBeNull();
  await start()();
  expect(await traced(SERVER, () => Promise.resolve(currentTraceParent()))).toBeNull();
  expect(collector.bodies).toEqual([]);
});

test('a span is the child of the one that it runs in, and all are sent before the end', async () => {
  const end = start('authorization=Bearer%20abc, x-team = cx');
  await traced(SERVER, async (note) => {
    await traced({ ...CLIENT, attributes: { messages: 200 } }, () => Promise.resolve());
    note({ name: 'GET /v1/me', attributes: { 'http.response.status_code': 200 } });
  });
  await end();
  const [call, request] = collector.spans;
  expect(collector.spans).toHaveLength(2);
  expect(request).toMatchObject({
    name: 'GET /v1/me',
    kind: 2,
    status: {},
    service: 'regente-test',
  });
  expect(request).not.toHaveProperty('parentSpanId');
  expect(call).toMatchObject({
    name: 'a call',
    kind: 3,
    traceId: request!.traceId,
    parentSpanId: request!.spanId,
    attributes: [{ key: 'messages', value: { doubleValue: 200 } }],
  });
  expect(request!.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(request!.spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(BigInt(call!.startTimeUnixNano)).toBeGreaterThanOrEqual(
    BigInt(request!.startTimeUnixNano),
  );
  expect(BigInt(request!.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(call!.endTimeUnixNano));
  expect(Math.abs(Number(request!.startTimeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000);
  expect(collector.headers[0]).toMatchObject({ authorization: 'Bearer abc', 'x-team': 'cx' });
});

test('the context of another process is kept, handed on, and its wish not to be sampled is obeyed', async () => {
  const end = start();
  const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
  const handedOn = (flags: string): Promise<string | null> =>
    traced({ ...SERVER, parent: `00-${trace}-${span}-${flags}` }, () =>
      Promise.resolve(currentTraceParent()),
    );
  expect(await handedOn('01')).toMatch(new RegExp(`^00-${trace}-(?!${span})[0-9a-f]{16}-01$`));
  expect(await handedOn('00')).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`));
  await traced({ ...SERVER, parent: 'nonsense' }, () => Promise.resolve());
  await end();
  expect(collector.spans).toHaveLength(2);
  expect(collector.spans[0]).toMatchObject({ traceId: trace, parentSpanId: span });
  expect(collector.spans[1]).not.toHaveProperty('parentSpanId');
});

test('work that fails fails as before, and its span says so without its words', async () => {
  const end = start();
  const failing = traced(CLIENT, () => Promise.reject(new RangeError('Ana Souza, +5511987654321')));
  await expect(failing).rejects.toThrow('Ana Souza');
  await end();
  expect(collector.spans[0]).toMatchObject({
    status: { code: 2 },
    attributes: [{ key: 'error.type', value: { stringValue: 'RangeError' } }],
  });
  expect(collector.bodies.join('')).not.toMatch(/Ana|98765/);
});

test('a collector that is gone costs a line of the log and nothing else', async () => {
  const lines: string[] = [];
  const written = createLogger('warn', 'test', { write: (line) => void lines.push(line) });
  const end = switchOnTraces(
    createTracing({ ...options, logger: written, endpoint: 'http://127.0.0.1:1' }),
  );
  expect(await traced(SERVER, () => Promise.resolve(7))).toBe(7);
  await end();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('spans could not be exported');
});
