import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface WireRequest {
  method: string;
  path: string;
  query: string;
  /** Names in lower case. */
  headers: Map<string, string>;
  body: string;
  /** Wall clock (epoch ms) at the first turn in which the request was whole. */
  receivedAt: number;
}

export type WireHandler = (request: WireRequest, reply: Connection) => void;

const HEAD_LIMIT = 16_384;
const BODY_LIMIT = 8_388_608;
const HEAD_END = Buffer.from('\r\n\r\n');

const REASONS: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  409: 'Conflict',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/**
 * HTTP/1.1 by hand on node:net: half the cost per request of node:http, so that a benchmark measures
 * its client, and full command of where a reply ends. Requests on one connection are answered in turn.
 */
export class Connection {
  static serve(socket: Socket, handle: WireHandler): void {
    const connection = new Connection(socket, handle);
    socket.on('data', (chunk) => connection.#receive(chunk));
    socket.on('error', () => socket.destroy());
  }

  readonly #socket: Socket;
  readonly #handle: WireHandler;
  #pending: Buffer | null = null;
  #busy = false;
  #lastOnConnection = false;

  private constructor(socket: Socket, handle: WireHandler) {
    this.#socket = socket;
    this.#handle = handle;
  }

  /** `headers` is extra lines, each ending in CRLF. */
  send(status: number, body: string, headers = ''): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(replyText(status, body, headers));
    if (this.#lastOnConnection) {
      this.#socket.end();
      return;
    }
    this.#busy = false;
    if (this.#pending !== null) this.#parse();
  }

  /** Sends the head and half of the body, then ends the connection. */
  cut(status: number, body: string): void {
    const text = replyText(status, body, '');
    this.#socket.end(text.slice(0, text.length - Math.ceil(body.length / 2)));
  }

  /** Ends the connection with a reset. */
  drop(): void {
    this.#socket.resetAndDestroy();
  }

  #receive(chunk: Buffer): void {
    this.#pending = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#busy) this.#parse();
  }

  #parse(): void {
    const bytes = this.#pending;
    if (bytes === null) return;
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) {
      if (bytes.length > HEAD_LIMIT) this.#refuse(431, 'head_too_large');
      return;
    }
    const lines = bytes.toString('latin1', 0, headEnd).split('\r\n');
    const headers = readHeaders(lines);
    const length = Number(headers.get('content-length') ?? 0);
    if (headers.has('transfer-encoding')) return this.#refuse(411, 'length_required');
    if (!(length >= 0 && length <= BODY_LIMIT)) return this.#refuse(413, 'body_too_large');
    const bodyStart = headEnd + HEAD_END.length;
    const end = bodyStart + length;
    if (bytes.length < end) return;
    this.#pending = bytes.length === end ? null : bytes.subarray(end);
    this.#busy = true;
    this.#lastOnConnection = headers.get('connection') === 'close';
    const [method = '', target = '/'] = (lines[0] ?? '').split(' ');
    const mark = target.indexOf('?');
    this.#handle(
      {
        method,
        path: mark < 0 ? target : target.slice(0, mark),
        query: mark < 0 ? '' : target.slice(mark + 1),
        headers,
        body: bytes.toString('utf8', bodyStart, end),
        receivedAt: Date.now(),
      },
      this,
    );
  }

  #refuse(status: number, code: string): void {
    this.#pending = null;
    this.#lastOnConnection = true;
    this.send(status, JSON.stringify({ code }));
  }
}

function readHeaders(lines: string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

function replyText(status: number, body: string, headers: string): string {
  return `HTTP/1.1 ${status} ${REASONS[status] ?? 'Other'}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}

export interface WireServer {
  port: number;
  close(): Promise<void>;
}

/** Listens on the loopback address; `port` 0 takes a free one. Closing cuts every connection. */
export async function listen(port: number, handle: WireHandler): Promise<WireServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    Connection.serve(socket, handle);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
