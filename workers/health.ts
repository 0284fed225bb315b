import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface WorkerHealth {
  port: number;
  stop(): Promise<void>;
}

export interface WorkerHealthOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Whether the workers poll. */
  isReady: () => boolean;
}

/** `/healthz` says that the process lives, `/readyz` whether it takes work: 200, or 503 while it waits for the engine. */
export async function startWorkerHealth(options: WorkerHealthOptions): Promise<WorkerHealth> {
  const server = createServer((request, response) => {
    const ready = options.isReady();
    const answers: Record<string, { code: number; body: object }> = {
      '/healthz': { code: 200, body: { status: 'ok', checks: {} } },
      '/readyz': {
        code: ready ? 200 : 503,
        body: {
          status: ready ? 'ok' : 'failing',
          checks: { worker: ready ? 'ok' : 'waits for the engine' },
        },
      },
    };
    const { code, body } = answers[request.url ?? ''] ?? { code: 404, body: {} };
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
