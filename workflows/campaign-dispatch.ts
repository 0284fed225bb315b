// Started by the relay (api/relay.ts) when an execution has been approved, and again by the reconciler should it be
// missing; ended by the execution's end. Lives as long as the campaign: months, if it waits for its schedule or is
// paused. It controls and never sends. Its history grows with signals and with the slow timer only, and continues as
// new when the engine suggests it.
//
// PostgreSQL holds the state; a signal says "look again", nothing else. So nothing is carried over, and a signal that
// is lost costs at most one period of the slow timer.
import {
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import type { createCampaignActivities } from '../activities/campaigns';
import type { ExecutionState } from '../domain/campaigns';
import { CONTROL, DELIVERY } from './activity-profiles';
import {
  campaignLane,
  campaignLaneId,
  lookAgainLaneSignal,
  standDownSignal,
} from './campaign-lane';

export interface CampaignDispatchInput {
  companyId: string;
  executionId: string;
}

export const lookAgainSignal = defineSignal('lookAgain');
export const executionStateQuery = defineQuery<ExecutionState | null>('executionState');

export const campaignDispatchId = (executionId: string): string =>
  `campaign-dispatch:${executionId}`;

const control = proxyActivities<ReturnType<typeof createCampaignActivities>>(CONTROL);
const delivery = proxyActivities<ReturnType<typeof createCampaignActivities>>(DELIVERY);

/** How often the state is read again when nobody signals. */
const SLOW_LOOK_MS = 5 * 60_000;
const LONGEST_SLEEP_MS = 30 * 24 * 3_600_000;
const RETRY_MS = 2_000;

export async function campaignDispatch(input: CampaignDispatchInput): Promise<ExecutionState> {
  let asked = false;
  let state: ExecutionState | null = null;
  const lanes = new Set<ChildWorkflowHandle<typeof campaignLane>>();
  setHandler(lookAgainSignal, () => {
    asked = true;
  });
  setHandler(executionStateQuery, () => state);

  const lookAfter = async (waitMs: number): Promise<void> => {
    await condition(() => asked, Math.min(waitMs, LONGEST_SLEEP_MS));
    asked = false;
  };

  for (;;) {
    const status = await control.readExecutionStatus(input);
    state = status.state;
    setCurrentDetails(`Execution ${input.executionId} is ${state}.`);
    switch (state) {
      case 'PENDING':
        if (status.startsInMs > 0) await lookAfter(status.startsInMs);
        else await control.startExecution(input);
        break;
      case 'PROCESSING':
        if (lanes.size === 0) await startLanes(input, status.lanes, lanes);
        await condition(() => asked || lanes.size === 0, SLOW_LOOK_MS);
        if (asked) await tellLanes(lanes);
        else if (lanes.size === 0 && !(await control.finishExecution(input))) await sleep(RETRY_MS);
        asked = false;
        break;
      case 'PAUSING':
        await lookAfter(await control.finishPause(input));
        break;
      case 'PAUSED':
        await lookAfter(SLOW_LOOK_MS);
        break;
      case 'CANCELLING':
      case 'FAILING':
        await lookAfter(await delivery.finishCancel(input));
        break;
      case 'CANCELLED':
      case 'FAILED':
      case 'FINISHED':
        await condition(() => lanes.size === 0);
        return state;
    }
    if (workflowInfo().continueAsNewSuggested) {
      await standDown(lanes);
      await continueAsNew<typeof campaignDispatch>(input);
    }
  }
}

async function startLanes(
  input: CampaignDispatchInput,
  count: number,
  lanes: Set<ChildWorkflowHandle<typeof campaignLane>>,
): Promise<void> {
  for (let lane = 0; lane < count; lane += 1) {
    const child = await startChild(campaignLane, {
      workflowId: campaignLaneId(input.executionId, lane),
      args: [{ ...input, lane }],
    });
    lanes.add(child);
    const leave = (): void => {
      lanes.delete(child);
    };
    void child.result().then(leave, leave);
  }
}

/** A lane that has just ended cannot be told; it has looked at the state itself. */
async function tellLanes(lanes: Set<ChildWorkflowHandle<typeof campaignLane>>): Promise<void> {
  await Promise.allSettled([...lanes].map((lane) => lane.signal(lookAgainLaneSignal)));
}

async function standDown(lanes: Set<ChildWorkflowHandle<typeof campaignLane>>): Promise<void> {
  await Promise.allSettled([...lanes].map((lane) => lane.signal(standDownSignal)));
  await condition(() => lanes.size === 0);
}
