import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { RegenteError } from '../../domain/errors';
import { isListening } from './ports';
import type { ServerProcess } from './server-process';

const READY_WITHIN_MS = 60_000;
const ATTEMPT_WITHIN_MS = 2_000;

/**
 * Tries until `check` does not throw; false when the server has ended before that.
 * @throws UNAVAILABLE after a minute; the server is then killed.
 */
export async function becomesReady(
  server: ServerProcess,
  port: number,
  check: (connection: Connection) => Promise<void>,
): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let last = 'nothing listens there';
  while (!server.hasExited()) {
    // A refused gRPC connection would wait a second before it tries again; a bare one need not.
    if (await isListening(port)) {
      const problem = await attempt(port, check);
      if (problem === null) return true;
      last = problem;
    }
    if (Date.now() > deadline) {
      await server.kill();
      throw new RegenteError(
        'UNAVAILABLE',
        `The engine on port ${port} did not answer within ${READY_WITHIN_MS / 1000} s (${last}).`,
      );
    }
    await delay(20);
  }
  return false;
}

async function attempt(
  port: number,
  check: (connection: Connection) => Promise<void>,
): Promise<string | null> {
  const connection = Connection.lazy({ address: `127.0.0.1:${port}` });
  try {
    await connection.withDeadline(Date.now() + ATTEMPT_WITHIN_MS, () => check(connection));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await connection.close();
  }
}

/** Throws while a workflow of this namespace could not be started. */
export async function namespaceAnswers(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.describeNamespace({ namespace });
  // A namespace answers before the services behind it have found each other; a task queue does not.
  await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: 'regente-readiness' },
    taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  });
}
