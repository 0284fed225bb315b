import { Client, Connection } from '@temporalio/client';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import type { Logger } from '../telemetry';
import { createEngineLook } from './engine-look';
import { createRelay } from './relay';
import { traceHeaders } from './trace-headers';

/** The engine as the API sees it. */
export interface Engine {
  /** Throws RegenteError('UNAVAILABLE') while the engine does not answer. */
  client(): Promise<Client>;
  /** Whether it answers right now, within `LOOK_WITHIN_MS`. */
  ready(): Promise<boolean>;
  /** Carries what the outbox holds to the engine at once; never throws, for the worker's relay does it again. */
  nudge(): void;
}

export interface ClosableEngine extends Engine {
  close(): Promise<void>;
}

export interface EngineOptions {
  address: string;
  namespace: string;
  db: Database;
  logger: Logger;
}

/** Connects when first needed, and again after a failure. */
export function createEngine({ address, namespace, db, logger }: EngineOptions): ClosableEngine {
  let connecting: Promise<Client> | undefined;
  let nudging: Promise<unknown> | undefined;
  let again = false;

  const client = async (): Promise<Client> => {
    connecting ??= Connection.connect({ address, connectTimeout: '3s' }).then(
      (connection) =>
        new Client({ connection, namespace, interceptors: { workflow: [traceHeaders] } }),
    );
    try {
      return await connecting;
    } catch (error) {
      connecting = undefined;
      throw new RegenteError('UNAVAILABLE', 'The engine does not answer.', {
        details: { component: 'engine' },
        retryAfterMs: 2_000,
        cause: error,
      });
    }
  };

  const relay = async (): Promise<void> => {
    do {
      again = false;
      await createRelay({ db, client: await client(), logger }).run();
    } while (again);
  };

  const look = createEngineLook(async () => (await client()).connection);

  return {
    client,
    ready: () => look.answers(),
    nudge() {
      again = true;
      nudging ??= relay()
        .catch((error: unknown) =>
          logger.info({ err: error }, 'the relay will tell the engine later'),
        )
        .finally(() => {
          nudging = undefined;
        });
    },
    async close() {
      await nudging;
      await look.end();
      const connected = await connecting?.catch(() => undefined);
      await connected?.connection.close();
    },
  };
}
