import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { Server as TcpServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BodyPacer, type BodyPace } from './body-pace';

/** How long a connection without a request is still waited for, since its next one may be on its way. */
const IDLE_MS = 500;
const LONGEST_MS = 10_000;
/** Node's own; without a limit of whole requests it would have to be none as well. */
const HEADERS_MS = 60_000;

export interface HttpServer {
  port: number;
  /**
   * Takes no more connections, and ends each one with the answer of its running or next request (`Connection: close`),
   * so that no request is broken off. What still runs after ten seconds is cut.
   */
  close(): Promise<void>;
}

/** A server that cuts no request for taking long: a file of any size may be on its way. */
export function serverOf(listener: RequestListener): Server {
  return createServer({ requestTimeout: 0, headersTimeout: HEADERS_MS }, listener);
}

/** Port 0 takes a free one; a body of less than `pace` is cut. */
export async function startHttpServer(
  listener: RequestListener,
  { host, port, pace }: { host: string; port: number; pace?: BodyPace },
): Promise<HttpServer> {
  let closing = false;
  const pacer = new BodyPacer(pace);
  const server = serverOf((request, response) => {
    if (closing) response.shouldKeepAlive = false;
    pacer.watch(request);
    listener(request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing = true;
      // What answers an earlier request keeps its connection, though not for long.
      server.keepAliveTimeout = IDLE_MS;
      // Not the server's own `close`, which destroys at once whatever has no request yet, also one that has just come.
      const closed = new Promise<void>((resolve) => {
        TcpServer.prototype.close.call(server, () => resolve());
      });
      const cut = setTimeout(() => server.closeAllConnections(), LONGEST_MS);
      await Promise.race([closed, delay(IDLE_MS, undefined, { ref: false })]);
      server.close();
      await closed;
      clearTimeout(cut);
      pacer.stop();
    },
  };
}
