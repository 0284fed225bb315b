import { connect, type Socket } from 'node:net';

/** Callbacks that one vendor has under way to one path. */
export interface CallbackConnections {
  /** True for an answer of 2xx; false for another one and for none. */
  post(headers: string, body: string): Promise<boolean>;
  close(): void;
}

/**
 * HTTP/1.1 written by hand: one request at a time on each connection, which stays open. A vendor's client is not what the
 * bench is about, and it shares the machine with what is.
 * @param most connections; more callbacks than that wait for their turn, first come first served
 */
export function openCallbackConnections(url: string, most: number): CallbackConnections {
  const { hostname, port, pathname, host } = new URL(url);
  const head = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  const idle: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  const open = new Set<Connection>();

  const give = (connection: Connection): void => {
    const next = waiting.shift();
    if (next !== undefined) next(connection);
    else if (connection.isOpen) idle.push(connection);
    else open.delete(connection);
  };
  const take = (): Promise<Connection> => {
    for (let known = idle.pop(); known !== undefined; known = idle.pop()) {
      if (known.isOpen) return Promise.resolve(known);
      open.delete(known);
    }
    if (open.size === most) return new Promise((resolve) => waiting.push(resolve));
    const added = new Connection(Number(port), hostname);
    open.add(added);
    return Promise.resolve(added);
  };

  return {
    async post(headers, body) {
      const connection = await take();
      const length = Buffer.byteLength(body);
      const status = await connection.ask(
        `${head}${headers}Content-Length: ${length}\r\n\r\n${body}`,
      );
      give(connection);
      return status >= 200 && status < 300;
    },
    close() {
      for (const each of open) each.end();
    },
  };
}

/** One after another, whatever becomes of the socket: a lost one is opened again for the next request. */
class Connection {
  #socket: Socket | undefined;
  #arrived = '';
  #answer: ((status: number) => void) | undefined;

  constructor(
    private readonly port: number,
    private readonly host: string,
  ) {}

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /** The status of the answer; 0 when there was none. */
  ask(request: string): Promise<number> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#socket ??= this.#open();
      this.#socket.write(request);
    });
  }

  end(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect({ port: this.port, host: this.host, noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = undefined;
      this.#settle(0);
    });
    return socket;
  }

  #read(text: string): void {
    this.#arrived += text;
    const headEnds = this.#arrived.indexOf('\r\n\r\n');
    if (headEnds === -1) return;
    const [, length] = /\r\ncontent-length: *(\d+)\r\n/i.exec(this.#arrived) ?? [];
    // Every answer of ours announces its length; one that does not cannot be told from the next.
    if (length === undefined) return this.end();
    if (this.#arrived.length < headEnds + 4 + Number(length)) return;
    this.#settle(Number(this.#arrived.slice(9, 12)));
  }

  #settle(status: number): void {
    this.#arrived = '';
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(status);
  }
}
