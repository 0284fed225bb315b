import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { CODE } from './port';

/**
 * What became of one HTTP request, told by whether a byte of it may have left.
 * - `response`: a whole reply was read.
 * - `notWritten`: refused, unresolved, TLS failed, queue over time, lease over: the vendor saw nothing.
 * - `ambiguous`: the request was handed to a socket and no whole reply came back.
 */
export type HttpOutcome =
  | { kind: 'response'; status: number; headers: ReplyHeaders; body: string }
  | { kind: 'notWritten'; code: string }
  | { kind: 'ambiguous'; code: string };

/** Names in lower case. */
export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpCall {
  method: 'GET' | 'POST';
  /** Path and query. */
  path: string;
  /** Names and values in turn. */
  headers: string[];
  body: string | null;
  /** Asked at the very moment of the socket write (and now and then while queued); must be cheap. */
  mayBegin: () => boolean;
  /** Counted from the write to the last byte of the reply. */
  requestTimeoutMs: number;
}

export interface HttpClientOptions {
  /** Scheme, host and port. */
  origin: string;
  connections: number;
  connectTimeoutMs?: number;
  maxReplyBytes?: number;
}

export interface HttpClient {
  /** Never throws and never repeats a request by itself. */
  call(call: HttpCall): Promise<HttpOutcome>;
  /** The same for calls side by side; the outcomes in their order. One promise in all, for promises cost most here. */
  callAll(calls: readonly HttpCall[]): Promise<HttpOutcome[]>;
  /** Lets calls under way end, then closes every connection. */
  close(): Promise<void>;
}

const SWEEP_MS = 20;
const TIMEOUT = 'TIMEOUT';
const NOT_ASKED: HttpOutcome = { kind: 'notWritten', code: 'NOT_ASKED' };

/** One keep-alive connection pool to one origin, without pipelining, redirects or retries. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const pool = new Pool(options.origin, {
    connections: options.connections,
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs ?? 5_000,
    maxResponseSize: options.maxReplyBytes ?? 1_048_576,
    // The sweep below is finer than the client's own timers, which tick once in about a second.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const open = new Set<Exchange>();
  let sweeper: NodeJS.Timeout | null = null;

  const sweep = (): void => {
    const nowMs = performance.now();
    for (const exchange of open) exchange.sweep(nowMs);
    if (open.size === 0 && sweeper !== null) {
      clearInterval(sweeper);
      sweeper = null;
    }
  };

  let closed: Promise<void> | null = null;
  let drained = (): void => {};

  const begin = (call: HttpCall, end: (outcome: HttpOutcome) => void): void => {
    if (closed !== null) {
      end({ kind: 'notWritten', code: CODE.closed });
      return;
    }
    const exchange = new Exchange(call, (outcome) => {
      open.delete(exchange);
      end(outcome);
      if (open.size === 0) drained();
    });
    open.add(exchange);
    sweeper ??= setInterval(sweep, SWEEP_MS);
    pool.dispatch(
      { path: call.path, method: call.method, headers: call.headers, body: call.body },
      exchange,
    );
  };

  return {
    call: (call) => new Promise((resolve) => begin(call, resolve)),
    callAll: (calls) =>
      new Promise((resolve) => {
        const outcomes: HttpOutcome[] = calls.map(() => NOT_ASKED);
        let missing = calls.length;
        if (missing === 0) resolve(outcomes);
        calls.forEach((call, index) =>
          begin(call, (outcome) => {
            outcomes[index] = outcome;
            missing -= 1;
            if (missing === 0) resolve(outcomes);
          }),
        );
      }),
    close: () => {
      closed ??= new Promise<void>((resolve) => {
        drained = resolve;
        if (open.size === 0) resolve();
      }).then(() => pool.destroy());
      return closed;
    },
  };
}

/** Reads a Retry-After value, seconds or a date; between 0 and an hour. */
export function retryAfterMs(value: string | undefined, fallbackMs: number): number {
  if (value === undefined || value === '') return fallbackMs;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(waitMs) ? fallbackMs : Math.min(Math.max(waitMs, 0), 3_600_000);
}

/** One request on its way: undici calls the `on…` methods, the sweep watches the clocks. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #call: HttpCall;
  readonly #end: (outcome: HttpOutcome) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #ended = false;
  #deadlineMs = 0;
  #overdue = false;
  #status = 0;
  #headers: ReplyHeaders = {};
  #chunk: Buffer | null = null;
  #chunks: Buffer[] | null = null;

  constructor(call: HttpCall, end: (outcome: HttpOutcome) => void) {
    this.#call = call;
    this.#end = end;
  }

  /**
   * Runs in the same turn as the socket write, right before it. Throwing takes the request out of
   * the queue with no byte written and leaves the connection usable, which an abort would not.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#controller !== null) throw new Error('A request is never written twice.');
    if (this.#ended || !this.#call.mayBegin()) {
      this.#finish({ kind: 'notWritten', code: CODE.leaseOver });
      throw new Error('The lease is over.');
    }
    this.#controller = controller;
    this.#deadlineMs = performance.now() + this.#call.requestTimeoutMs;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: ReplyHeaders,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#chunk === null) this.#chunk = chunk;
    else (this.#chunks ??= [this.#chunk]).push(chunk);
  }

  onResponseEnd(): void {
    const bytes = this.#chunks === null ? this.#chunk : Buffer.concat(this.#chunks);
    this.#finish({
      kind: 'response',
      status: this.#status,
      headers: this.#headers,
      body: bytes === null ? '' : bytes.toString('utf8'),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish({
      kind: this.#controller === null ? 'notWritten' : 'ambiguous',
      code: 'code' in error && typeof error.code === 'string' ? error.code : error.name,
    });
  }

  sweep(nowMs: number): void {
    if (this.#controller === null) {
      if (!this.#call.mayBegin()) this.#finish({ kind: 'notWritten', code: CODE.leaseOver });
    } else if (nowMs >= this.#deadlineMs) {
      // After a long turn of the event loop the reply may already lie in the socket: one more look.
      if (this.#overdue) this.#expire(this.#controller);
      else this.#overdue = true;
    }
  }

  #expire(controller: Dispatcher.DispatchController): void {
    this.#finish({ kind: 'ambiguous', code: TIMEOUT });
    controller.abort(new Error('No reply in time.'));
  }

  #finish(outcome: HttpOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end(outcome);
  }
}
