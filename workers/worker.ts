import { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import {
  Worker,
  type ActivityExecuteInput,
  type ActivityInboundCallsInterceptor,
  type NativeConnection,
  type Next,
  type WorkerOptions as TemporalWorkerOptions,
} from '@temporalio/worker';
import { createActivities, type ActivityDeps } from '../activities/index';
import { toFailure } from '../activities/errors';
import { TRACE_HEADER, traced } from '../telemetry/traces';
import { CORE_QUEUE, DELIVERY_QUEUE } from '../workflows/task-queues';
import { workflowBundle } from './bundle';
import { installRuntime } from './runtime';

const HEARTBEAT_MS = 2_000;

/** The span that a workflow was started or signalled from, as far as its header tells. */
function traceParentOf({ headers }: ActivityExecuteInput): string | undefined {
  const payload = headers[TRACE_HEADER];
  return payload === undefined ? undefined : defaultPayloadConverter.fromPayload<string>(payload);
}

/**
 * Around every activity: heartbeats from an interval, so that waiting for a lock or for a vendor is not taken for
 * death, and death not for waiting; our errors become the engine's; and it is a span.
 */
const aroundActivities: ActivityInboundCallsInterceptor = {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ) {
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
    try {
      const { activityType, attempt, workflowExecution } = context.info;
      const attributes = { attempt, workflowId: workflowExecution?.workflowId ?? '' };
      const parent = traceParentOf(input);
      return await traced({ name: activityType, kind: 'consumer', parent, attributes }, () =>
        next(input),
      );
    } catch (error) {
      throw toFailure(error);
    } finally {
      clearInterval(beat);
    }
  },
};

export interface WorkerOptions {
  connection: NativeConnection;
  namespace: string;
  deps: ActivityDeps;
  /** Lane turns at a time: those of sixteen large campaigns. How much they do at once is up to `FairShare`. */
  maxLaneTurns?: number;
  /** Another bundle than this version's: a deploy in the middle of a campaign, as tests make it. */
  workflows?: { code: string };
}

/** The two workers of a process: one that runs workflows and controls, one that calls providers. */
export async function createWorkers({
  connection,
  namespace,
  deps,
  maxLaneTurns = 256,
  workflows,
}: WorkerOptions): Promise<Worker[]> {
  const engineLogger = installRuntime(deps.dispatch.logger);
  const activities = createActivities(deps);
  const shared = {
    connection,
    namespace,
    activities,
    interceptors: { activity: [() => ({ inbound: aroundActivities })] },
    shutdownGraceTime: '15s',
    shutdownForceTime: '25s',
  } satisfies Partial<TemporalWorkerOptions>;
  return Promise.all([
    Worker.create({
      ...shared,
      taskQueue: CORE_QUEUE,
      workflowBundle: workflows ?? (await workflowBundle(engineLogger)),
      // About 1 MB each; lanes and roots are few, so this is plenty.
      maxCachedWorkflows: 200,
    }),
    Worker.create({
      ...shared,
      taskQueue: DELIVERY_QUEUE,
      maxConcurrentActivityTaskExecutions: maxLaneTurns,
    }),
  ]);
}
