import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import { LOOK_WITHIN_MS } from '../prisma/probe';
import type { Logger } from '../telemetry';
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
  const looks = new Set<Promise<boolean>>();

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

  const answers = async (): Promise<boolean> => {
    const deadline = Date.now() + LOOK_WITHIN_MS;
    try {
      const { connection } = await client();
      await connection.withDeadline(deadline, () => connection.workflowService.getSystemInfo({}));
      return true;
    } catch {
      return false;
    }
  };

  return {
    client,
    // Connecting may take longer, and goes on for whoever asks next.
    ready() {
      const look = answers().finally(() => looks.delete(look));
      looks.add(look);
      return Promise.race([look, delay(LOOK_WITHIN_MS, false)]);
    },
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
      // A call of it that is tried again after the end of its connection would end the process.
      await Promise.all(looks);
      const connected = await connecting?.catch(() => undefined);
      await connected?.connection.close();
    },
  };
}
