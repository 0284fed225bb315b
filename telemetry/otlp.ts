import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Logger } from './index';

/*
 * What OpenTelemetry needs of us, written out: its SDK asks for a newer Node than we do, and would put a dozen packages
 * around a JSON document. https://opentelemetry.io/docs/specs/otlp/ and https://www.w3.org/TR/trace-context/.
 */

type Attributes = Readonly<Record<string, string | number>>;

export interface SpanOptions {
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** W3C trace context from elsewhere; left out, the span of the caller. What cannot be read counts as none. */
  parent?: string | null | undefined;
  attributes?: Attributes;
}

/** Tells a span what became known while it ran. */
export type Note = (facts: { name?: string; attributes?: Attributes; failed?: boolean }) => void;

export interface Tracing {
  run<T>(options: SpanOptions, work: (note: Note) => Promise<T>): Promise<T>;
  current(): string | undefined;
  /** Sends what is left. */
  close(): Promise<void>;
}

export interface TracingOptions {
  endpoint: string;
  headers: string | undefined;
  service: string;
  logger: Logger;
}

interface Context {
  traceId: string;
  spanId: string;
  isSampled: boolean;
}

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
const FAILED = 2;
const EXPORT_EVERY_MS = 2_000;
const EXPORT_AT = 512;
/** A collector that is gone must not cost memory: later spans are left out. */
const MOST_WAITING = 8_192;
const EXPORT_WITHIN_MS = 5_000;
const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

export function createTracing(options: TracingOptions): Tracing {
  const contexts = new AsyncLocalStorage<Context>();
  const exporter = createExporter(options);
  return {
    async run({ name, kind, parent: given, attributes = {} }, work) {
      const parent = given === undefined ? contexts.getStore() : readTraceParent(given);
      const context = {
        traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
        spanId: randomBytes(8).toString('hex'),
        isSampled: parent?.isSampled ?? true,
      };
      const facts = { name, attributes, failed: false };
      const startTimeUnixNano = nowNanos();
      try {
        return await contexts.run(context, () =>
          work(({ attributes: more, ...rest }) => {
            Object.assign(facts, rest);
            facts.attributes = { ...facts.attributes, ...more };
          }),
        );
      } catch (error) {
        facts.failed = true;
        facts.attributes = { ...facts.attributes, 'error.type': errorType(error) };
        throw error;
      } finally {
        if (context.isSampled)
          exporter.add({
            traceId: context.traceId,
            spanId: context.spanId,
            ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
            name: facts.name,
            kind: KINDS[kind],
            startTimeUnixNano,
            endTimeUnixNano: nowNanos(),
            attributes: attributesOf(facts.attributes),
            status: facts.failed ? { code: FAILED } : {},
          });
      }
    },
    current() {
      const context = contexts.getStore();
      if (context === undefined) return undefined;
      return `00-${context.traceId}-${context.spanId}-${context.isSampled ? '01' : '00'}`;
    },
    close: exporter.close,
  };
}

interface Exporter {
  add(span: object): void;
  close(): Promise<void>;
}

function createExporter(options: TracingOptions): Exporter {
  const { logger } = options;
  let waiting: object[] = [];
  let sending = Promise.resolve();
  let underWay = 0;
  let failing = false;

  const send = async (spans: object[]): Promise<void> => {
    try {
      await post(options, spans);
      failing = false;
    } catch (error) {
      if (!failing) logger.warn({ err: error, spans: spans.length }, 'spans could not be exported');
      failing = true;
    }
    underWay -= spans.length;
  };
  const flush = (): Promise<void> => {
    if (waiting.length > 0) {
      const spans = waiting;
      waiting = [];
      underWay += spans.length;
      sending = sending.then(() => send(spans));
    }
    return sending;
  };
  const timer = setInterval(() => void flush(), EXPORT_EVERY_MS);
  timer.unref();

  return {
    add(span) {
      if (waiting.length + underWay >= MOST_WAITING) return;
      waiting.push(span);
      if (waiting.length === EXPORT_AT) void flush();
    },
    close() {
      clearInterval(timer);
      return flush();
    },
  };
}

async function post(
  { endpoint, headers, service }: TracingOptions,
  spans: object[],
): Promise<void> {
  const resource = { attributes: attributesOf({ 'service.name': service }) };
  const body = {
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'regente' }, spans }] }],
  };
  const answer = await fetch(`${endpoint.replace(/\/+$/, '')}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...parseHeaders(headers) },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(EXPORT_WITHIN_MS),
  });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
}

function readTraceParent(text: string | null): Context | undefined {
  const [, traceId, spanId, flags] = TRACE_PARENT.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { doubleValue: value } : { stringValue: value },
  }));
}

/** The name and never the message, which may quote what a person has typed. */
function errorType(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as Error & { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

const nowNanos = (): string =>
  String(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n);

function parseHeaders(text = ''): Record<string, string> {
  return Object.fromEntries(
    text
      .split(',')
      .map((pair) => pair.trim())
      .filter((pair) => pair.includes('='))
      .map((pair) => {
        const at = pair.indexOf('=');
        return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())];
      }),
  );
}
