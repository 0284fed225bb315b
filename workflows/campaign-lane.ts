// Started by campaignDispatch, once per lane, while its execution is PROCESSING; ended when the lane has nothing left,
// when the execution is no longer PROCESSING, or when the root asks it to stand down. Lives for minutes to days. Each
// turn of some seconds is one activity, about 12 events; it continues as new when the engine suggests it.
import {
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { createCampaignActivities } from '../activities/campaigns';
import { DELIVERY } from './activity-profiles';

export interface CampaignLaneInput {
  companyId: string;
  executionId: string;
  lane: number;
  /** Batches of the lane before it are closed. */
  fromSeq?: number;
}

/** Why a lane has ended: everybody of it has a final state, or it was told to, or the execution is not PROCESSING. */
export type LaneEnd = 'done' | 'stopped';

/** Ends a wait early: money was added, a credential changed, the state moved. */
export const lookAgainLaneSignal = defineSignal('lookAgain');
/** The root is about to continue as new and starts its lanes again afterwards. */
export const standDownSignal = defineSignal('standDown');

export const campaignLaneId = (executionId: string, lane: number): string =>
  `campaign-lane:${executionId}:${lane}`;

const delivery = proxyActivities<ReturnType<typeof createCampaignActivities>>(DELIVERY);

const LONGEST_SLEEP_MS = 24 * 3_600_000;
const PARKED_MS = 30_000;

export async function campaignLane(input: CampaignLaneInput): Promise<LaneEnd> {
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

  const rest = async (waitMs: number, details: string): Promise<void> => {
    setCurrentDetails(details);
    const longest = Math.min(Math.max(1, waitMs), LONGEST_SLEEP_MS);
    await condition(() => asked || standingDown, longest, { summary: details });
    setCurrentDetails('Sending.');
  };

  while (!workflowInfo().continueAsNewSuggested) {
    if (standingDown) return 'stopped';
    asked = false;
    try {
      const turn = await delivery.dispatchLane.executeWithOptions(
        { ...DELIVERY, summary: `from batch ${fromSeq}` },
        [{ companyId, executionId, lane, fromSeq }],
      );
      if (turn.kind === 'done' || turn.kind === 'stopped') return turn.kind;
      fromSeq = turn.fromSeq;
      if (turn.kind === 'waiting')
        await rest(turn.waitMs, `Waiting: ${turn.reason ?? 'its turn'}.`);
    } catch {
      // Whatever it is, the people of this lane are not given up: it parks and tries again.
      await rest(PARKED_MS, 'Parked after an error.');
    }
  }
  // A root that waits for its lanes to stand down would wait for the next run for ever.
  if (standingDown) return 'stopped';
  return continueAsNew<typeof campaignLane>({ ...input, fromSeq });
}
