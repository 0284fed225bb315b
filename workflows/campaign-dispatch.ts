// Started by the relay (api/relay.ts) when an execution has been approved, and again by the reconciler should it be
// missing; ended by the execution's end. Lives as long as the campaign: months, if it waits for its schedule or is
// paused. It controls and never sends. Its history grows with signals and with the slow timer only, and continues as
// new when the engine suggests it.
//
// PostgreSQL holds the state; a signal says "look again", nothing else. So nothing is carried over, and a signal is
// kept until the running lanes have been told. One that never comes costs at most one period of the slow timer if the
// state has changed; the timer wakes no lane, so of what else is new (money, somebody to be sent to again) a lane then
// learns when its own wait is over.
import {
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import type { createCampaignActivities } from '../activities/campaigns';
import type { ExecutionState } from '../domain/campaigns';
import { CONTROL, DELIVERY } from './activity-profiles';
import { showExecution } from './campaign-page';
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
const PARKED_MS = 30_000;

export async function campaignDispatch(input: CampaignDispatchInput): Promise<ExecutionState> {
  let asked = false;
  let state: ExecutionState | null = null;
  const lanes = createLanes(input);
  setHandler(lookAgainSignal, () => {
    asked = true;
    lanes.haveNews();
  });
  setHandler(executionStateQuery, () => state);

  const lookAfter = async (waitMs: number, summary: string): Promise<void> => {
    await condition(() => asked, Math.min(waitMs, LONGEST_SLEEP_MS), { summary });
  };
  /** Reads the state and does what it asks for; true when the execution has ended. */
  const step = async (): Promise<boolean> => {
    const status = await control.readExecutionStatus(input);
    showExecution(input, status, state);
    state = status.state;
    // Asleep until tomorrow, they would not see it before.
    if (status.state !== 'PROCESSING') await lanes.tell();
    // After a signal that has ended another wait than that for the lanes, of which versions before 0.2.0 told nobody.
    else if (lanes.areBehind() && patched('signals_kept')) await lanes.tell();
    switch (status.state) {
      case 'PENDING':
        if (status.startsInMs > 0) await lookAfter(status.startsInMs, 'its start');
        else await control.startExecution(input);
        return false;
      case 'PROCESSING':
        await lanes.start(status.lanes);
        await condition(() => asked || lanes.needStart(), SLOW_LOOK_MS, { summary: 'its lanes' });
        if (asked) {
          if (lanes.areBehind()) await lanes.tell();
        } else if (!lanes.allDone(status.lanes)) {
          if (lanes.needStart()) await lookAfter(RETRY_MS, 'lanes that have ended');
        } else if (!(await control.finishExecution(input))) {
          // Somebody is missing in the ledger, or somebody else has changed the state.
          lanes.forgetDone();
          await lookAfter(PARKED_MS, 'somebody without a final state');
        }
        return false;
      case 'PAUSING':
        await lookAfter(await control.finishPause(input), 'calls that may still begin');
        return false;
      case 'PAUSED':
        await lookAfter(SLOW_LOOK_MS, 'somebody who resumes or cancels');
        return false;
      case 'CANCELLING':
      case 'FAILING':
        await lookAfter(await delivery.finishCancel(input), 'calls that are under way');
        return false;
      case 'CANCELLED':
      case 'FAILED':
      case 'FINISHED':
        return true;
    }
  };

  for (let ended = false; !ended;) {
    // Before the state is read: a signal that comes later asks for another look.
    asked = false;
    try {
      ended = await step();
    } catch (error) {
      if (isCancellation(error)) throw error;
      // No retry mends it (they have been tried), but a person may: the campaign is not given up.
      setCurrentDetails('Parked after an error.');
      await lookAfter(PARKED_MS, 'another try after an error');
    }
    if (!ended && workflowInfo().continueAsNewSuggested) {
      await lanes.standDown();
      await continueAsNew<typeof campaignDispatch>(input);
    }
  }
  await lanes.allEnded();
  return state ?? 'FINISHED';
}

/** The lanes of an execution, as far as this run knows them: PostgreSQL knows what is left for each. */
function createLanes({ companyId, executionId }: CampaignDispatchInput) {
  const running = new Map<number, ChildWorkflowHandle<typeof campaignLane>>();
  const done = new Set<number>();
  /** Ended before they were done: stopped, or ended from outside. */
  const stopped = new Set<number>();
  /** Somebody has asked to look again, and the lanes do not know it yet. */
  let behind = false;

  const start = async (lane: number): Promise<void> => {
    const child = await startChild(campaignLane, {
      workflowId: campaignLaneId(executionId, lane),
      args: [{ companyId, executionId, lane }],
      staticSummary: `Lane ${lane}`,
    });
    stopped.delete(lane);
    running.set(lane, child);
    const leave = (into: Set<number>): void => {
      running.delete(lane);
      into.add(lane);
    };
    void child.result().then(
      (end) => leave(end === 'done' ? done : stopped),
      () => leave(stopped),
    );
  };

  return {
    /** Starts those that are neither running nor done. */
    async start(count: number): Promise<void> {
      const missing = Array.from({ length: count }, (_, lane) => lane).filter(
        (lane) => !running.has(lane) && !done.has(lane),
      );
      if (missing.length === 0) return;
      // A run that began before 0.2.0 has waited for each before the next.
      if (!patched('lanes_together')) for (const lane of missing) await start(lane);
      else {
        // All of them, so that none is still being started when this is tried again.
        const begun = await Promise.allSettled(missing.map(start));
        const failed = begun.find((one) => one.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      }
    },
    /** Some lane has ended, so there is something to start or to finish. */
    needStart: (): boolean => stopped.size > 0 || running.size === 0,
    allDone: (count: number): boolean => done.size >= count && running.size === 0,
    forgetDone: (): void => done.clear(),
    haveNews(): void {
      behind = true;
    },
    areBehind: (): boolean => behind,
    /** A lane that has just ended cannot be told; it has looked at the state itself. */
    async tell(): Promise<void> {
      // Before they are told: a signal that comes meanwhile is news again.
      behind = false;
      await Promise.allSettled(
        [...running.values()].map((lane) => lane.signal(lookAgainLaneSignal)),
      );
    },
    async standDown(): Promise<void> {
      await Promise.allSettled([...running.values()].map((lane) => lane.signal(standDownSignal)));
      await condition(() => running.size === 0);
    },
    allEnded: (): Promise<void> => condition(() => running.size === 0),
  };
}
