// Started by campaignDispatch, once per lane, while its execution is PROCESSING; ended when the lane has nothing left,
// when the execution is no longer PROCESSING, or when the root asks it to stand down. Lives for minutes to days. Each
// turn of some seconds is one activity, and after a fixed number of them it continues as new.
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { createCampaignActivities } from '../activities/campaigns';
import { CONTROL, DELIVERY } from './activity-profiles';

export interface CampaignLaneInput {
  companyId: string;
  executionId: string;
  lane: number;
  /** Batches of the lane before it are closed. */
  fromSeq?: number;
}

/** Ends a wait early: money was added, a credential changed, the state moved. */
export const lookAgainLaneSignal = defineSignal('lookAgain');
/** The root is about to continue as new and starts its lanes again afterwards. */
export const standDownSignal = defineSignal('standDown');

export const campaignLaneId = (executionId: string, lane: number): string =>
  `campaign-lane:${executionId}:${lane}`;

const control = proxyActivities<ReturnType<typeof createCampaignActivities>>(CONTROL);
const delivery = proxyActivities<ReturnType<typeof createCampaignActivities>>(DELIVERY);

/** About 12 events a turn, so some 2,400 a run. */
const TURNS_PER_RUN = 200;
const LONGEST_SLEEP_MS = 24 * 3_600_000;
const PARKED_MS = 30_000;

export async function campaignLane(input: CampaignLaneInput): Promise<void> {
  const { companyId, executionId, lane } = input;
  let asked = false;
  let standingDown = false;
  let fromSeq = input.fromSeq ?? 0;
  setHandler(lookAgainLaneSignal, () => {
    asked = true;
  });
  setHandler(standDownSignal, () => {
    standingDown = true;
  });

  const interrupted = (): boolean => asked || standingDown;

  for (let turns = 0; turns < TURNS_PER_RUN; turns += 1) {
    if (standingDown) return;
    asked = false;
    try {
      const turn = await delivery.dispatchLane({ companyId, executionId, lane, fromSeq });
      if (turn.kind === 'done' || turn.kind === 'stopped') return;
      fromSeq = turn.fromSeq;
      if (turn.kind === 'waiting') {
        setCurrentDetails(`Waiting: ${turn.reason}.`);
        await condition(interrupted, Math.min(Math.max(1, turn.waitMs), LONGEST_SLEEP_MS));
        setCurrentDetails('Sending.');
      }
    } catch (error) {
      const failure = error instanceof ActivityFailure ? error.cause : undefined;
      if (failure instanceof ApplicationFailure && failure.type === 'CONFIGURATION') {
        await control.pauseExecution({ companyId, executionId, reason: 'configuration' });
        return;
      }
      // Whatever else it is, the people of this lane are not given up: it parks and tries again.
      setCurrentDetails('Parked after an error.');
      await condition(interrupted, PARKED_MS);
    }
  }
  await continueAsNew<typeof campaignLane>({ companyId, executionId, lane, fromSeq });
}
