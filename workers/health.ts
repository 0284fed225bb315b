import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Connection } from '@temporalio/client';
import type { Database } from '../prisma/client';

export interface WorkerHealth {
  port: number;
  stop(): Promise<void>;
}

/** By part: `ok`, or what is wrong with it. */
export type Checks = Readonly<Record<string, string>>;

export interface WorkerHealthOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  check: () => Promise<Checks>;
}

/** `/healthz` says that the process lives, `/readyz` whether it can work: 200, or 503 and which part is missing. */
export async function startWorkerHealth(options: WorkerHealthOptions): Promise<WorkerHealth> {
  const respond = async (path: string | undefined, response: ServerResponse): Promise<void> => {
    const answer = (code: number, body: object): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (path === '/healthz') return answer(200, { status: 'ok', checks: {} });
    if (path !== '/readyz') return answer(404, {});
    const checks = await options.check();
    const ok = Object.values(checks).every((each) => each === 'ok');
    answer(ok ? 200 : 503, { status: ok ? 'ok' : 'failing', checks });
  };
  const server = createServer((request, response) => void respond(request.url, response));
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

const SILENT = 'does not answer';
const ANSWER_WITHIN_MS = 2_000;

/** Asks what a worker cannot do without. Never rejects. */
export async function checkParts(db: Database, connection: Connection): Promise<Checks> {
  const [database, engine] = await Promise.all([
    db.pool.query('SELECT 1').then(
      () => 'ok',
      () => SILENT,
    ),
    connection
      .withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
        connection.workflowService.getSystemInfo({}),
      )
      .then(
        () => 'ok',
        () => SILENT,
      ),
  ]);
  return { database, engine };
}
