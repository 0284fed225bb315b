import { setTimeout as delay } from 'node:timers/promises';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from '../telemetry';
import { CORE_QUEUE } from '../workflows/task-queues';
import { ensureSearchAttributes } from './search-attributes';

/** The two connections of a worker process: one to poll with, one to start and signal with. */
export interface EngineConnections {
  native: NativeConnection;
  connection: Connection;
  close(): Promise<void>;
}

export interface ConnectOptions {
  address: string;
  namespace: string;
  logger: Logger;
  /** Given: tries until the engine answers, or this says to stop. Left out: one try. */
  untilAborted?: AbortSignal;
}

const ANSWER_WITHIN_MS = 5_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 3_000;

/** Connects once the engine answers and knows the namespace. @throws what the engine or the signal says. */
export async function connectEngine(options: ConnectOptions): Promise<EngineConnections> {
  const { address, namespace, logger, untilAborted } = options;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await connectOnce(address, namespace);
    } catch (error) {
      if (untilAborted === undefined) throw error;
      untilAborted.throwIfAborted();
      const reason = isGrpcServiceError(error) ? error.details : String(error);
      logger.warn({ address, namespace, reason }, 'waiting for the engine');
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 8));
      await delay(pauseMs, undefined, { signal: untilAborted });
    }
  }
}

async function connectOnce(address: string, namespace: string): Promise<EngineConnections> {
  const connection = await Connection.connect({ address, connectTimeout: ANSWER_WITHIN_MS });
  try {
    // The port is open, and a new namespace described, some seconds before a queue of it can be polled.
    await connection.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      connection.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: CORE_QUEUE },
        taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
      }),
    );
    await ensureSearchAttributes(connection, namespace);
    const native = await NativeConnection.connect({ address });
    return {
      native,
      connection,
      close: async () => void (await Promise.all([native.close(), connection.close()])),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
