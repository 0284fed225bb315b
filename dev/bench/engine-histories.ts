import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { campaignDispatchId } from '../../workflows/campaign-dispatch';
import { campaignLaneId } from '../../workflows/campaign-lane';

export interface Histories {
  /** Of the longest run. */
  eventsMax: number;
  /** Of all runs together. */
  bytes: number;
}

const NAMESPACE = 'default';
const LOOK_MS = 100;
const END_WITHIN_MS = 30_000;

/** Sizes of the histories of a campaign's root and lanes, every run of each; waits for the root's end. */
export async function readHistories(
  address: string,
  { executionId, lanes }: { executionId: string; lanes: number },
): Promise<Histories> {
  const connection = await Connection.connect({ address });
  try {
    const root = campaignDispatchId(executionId);
    await hasEnded(connection, root);
    const ids = [
      root,
      ...Array.from({ length: lanes }, (_, lane) => campaignLaneId(executionId, lane)),
    ];
    const histories = { eventsMax: 0, bytes: 0 };
    for (const workflowId of ids) {
      for (let runId: string | null = ''; runId !== null;) {
        const run = await describe(connection, workflowId, runId);
        histories.eventsMax = Math.max(histories.eventsMax, Number(run.historyLength ?? 0));
        histories.bytes += Number(run.historySizeBytes ?? 0);
        runId = await runBefore(connection, workflowId, run.execution?.runId ?? '');
      }
    }
    return histories;
  } finally {
    await connection.close();
  }
}

type Info = temporal.api.workflow.v1.IWorkflowExecutionInfo;

async function describe(
  { workflowService }: Connection,
  workflowId: string,
  runId: string,
): Promise<Info> {
  const { workflowExecutionInfo } = await workflowService.describeWorkflowExecution({
    namespace: NAMESPACE,
    execution: { workflowId, runId },
  });
  if (!workflowExecutionInfo) throw new Error(`The engine says nothing about ${workflowId}.`);
  return workflowExecutionInfo;
}

/** The ledger says that a campaign is finished a moment before its workflow has ended. */
async function hasEnded(connection: Connection, workflowId: string): Promise<void> {
  const deadline = performance.now() + END_WITHIN_MS;
  const { WORKFLOW_EXECUTION_STATUS_RUNNING: running } =
    temporal.api.enums.v1.WorkflowExecutionStatus;
  while ((await describe(connection, workflowId, '')).status === running) {
    if (performance.now() > deadline) throw new Error(`${workflowId} has not ended.`);
    await delay(LOOK_MS);
  }
}

/** The run that continued as this one; null for the first of its chain. */
async function runBefore(
  { workflowService }: Connection,
  workflowId: string,
  runId: string,
): Promise<string | null> {
  const { history } = await workflowService.getWorkflowExecutionHistory({
    namespace: NAMESPACE,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  return started?.continuedExecutionRunId || null;
}
