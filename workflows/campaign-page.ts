// What an operator sees of a campaign in the engine's web interface, and finds it by.
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { ExecutionStatus } from '../activities/campaigns';
import type { ExecutionState } from '../domain/campaigns';
import { CAMPAIGN_ATTRIBUTE, COMPANY_ATTRIBUTE, STATE_ATTRIBUTE } from './search-attributes';

const MEANINGS: Readonly<Record<ExecutionState, string>> = {
  PENDING: 'it waits for its start.',
  PROCESSING: 'its lanes send; each has a page of its own.',
  PAUSING: 'no call begins any more; those that have begun are waited for.',
  PAUSED: 'nothing is sent until somebody resumes or cancels it.',
  CANCELLING: 'whoever was not reached is cancelled.',
  CANCELLED: 'it has ended; nothing more is sent.',
  FAILING: 'whoever was not reached is cancelled.',
  FAILED: 'it has ended; nothing more is sent.',
  FINISHED: 'everybody has a final state.',
};

/** The search attributes are written into the history, so only when the state is another than `before`. */
export function showExecution(
  { companyId, executionId }: { companyId: string; executionId: string },
  { campaignId, state, lanes }: ExecutionStatus,
  before: ExecutionState | null,
): void {
  if (state !== before)
    upsertSearchAttributes([
      { key: COMPANY_ATTRIBUTE, value: companyId },
      { key: CAMPAIGN_ATTRIBUTE, value: campaignId },
      { key: STATE_ATTRIBUTE, value: state },
    ]);
  setCurrentDetails(
    `Campaign ${campaignId}, execution ${executionId}, ${lanes} lanes.\n\n**${state}**: ${MEANINGS[state]}`,
  );
}
