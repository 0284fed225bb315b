import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config';
import { openDatabase, type Database } from '../prisma/client';
import { createEncryption } from '../prisma/encryption';
import { createLogger, type Logger } from '../telemetry';
import type { ProbeAnswer } from '../telemetry/probes';
import { scrape } from '../telemetry/scrape';
import { createEngine } from './engine';
import { startHttpServer } from './http-server';
import { createListener } from './listener';

export interface RunningApi {
  url: string;
  /** What `/metrics` answers. */
  metrics(): Promise<ProbeAnswer>;
  /**
   * Says "draining" at `/readyz` for `drainMs` (default 0), so that balancers send requests elsewhere; then takes no
   * more connections, lets each end with an answer and closes the pools.
   */
  stop(drainMs?: number): Promise<void>;
}

export interface ServerParts {
  logger?: Logger;
  db?: Database;
}

/** Starts the HTTP server; port 0 takes a free one. Database and engine may be down: `readyz` says so. */
export async function startApi(config: Config, parts: ServerParts = {}): Promise<RunningApi> {
  const logger = parts.logger ?? createLogger(config.LOG_LEVEL, 'api');
  const db =
    parts.db ??
    openDatabase({
      url: config.DATABASE_URL,
      maxConnections: config.DATABASE_MAX_CONNECTIONS,
      onIdleError: (error) => logger.warn({ err: error }, 'a database connection ended'),
    });
  const engine = createEngine({
    address: config.TEMPORAL_ADDRESS,
    namespace: config.TEMPORAL_NAMESPACE,
    db,
    logger,
  });
  const encryption = createEncryption(config.ENCRYPTION_KEY);
  let draining = false;
  const isDraining = (): boolean => draining;
  const listener = createListener({ config, db, engine, encryption, logger, isDraining });
  const server = await startHttpServer(listener, { host: config.HOST, port: config.PORT });
  const { port } = server;
  logger.info({ port }, 'api listening');
  return {
    url: `http://127.0.0.1:${port}`,
    metrics: () => scrape(db),
    async stop(drainMs = 0) {
      draining = true;
      await delay(drainMs);
      await server.close();
      await engine.close();
      if (parts.db === undefined) await db.close();
    },
  };
}
