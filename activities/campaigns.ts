import { Context } from '@temporalio/activity';
import type { ExecutionState } from '../domain/campaigns';
import { RegenteError } from '../domain/errors';
import {
  checkEnd,
  COUNT_TIMEOUT_MS,
  inFlightForMs,
  lockExecution,
  readExecution,
} from '../prisma/campaign-executions';
import type { ExecutionRef } from '../prisma/dispatch/batches';
import { withTenant } from '../prisma/tenant';
import { cancelEverybody } from './dispatch/cancel';
import { createLaneRunner } from './dispatch/lane-runner';
import type { LaneTurn, LaneTurnInput } from './dispatch/lane-turn';
import { changeState } from './dispatch/state-change';
import type { DispatchDeps } from './dispatch/turn';

/** What the root workflow decides by. */
export interface ExecutionStatus {
  campaignId: string;
  state: ExecutionState;
  lanes: number;
  /** Milliseconds until the start that was asked for; 0 when it has come. */
  startsInMs: number;
}

export function createCampaignActivities(deps: DispatchDeps) {
  const { db, logger } = deps;
  const runLane = createLaneRunner(deps);

  /**
   * Ends an execution in which everybody has a final state. False when somebody else has changed the state, or when a
   * finish came too early and the lanes can go on; a cancel has nobody to go on, so then it throws INTERNAL.
   */
  const end = (ref: ExecutionRef, verb: 'finish' | 'cancelled' | 'failed'): Promise<boolean> =>
    changeState(
      db,
      { ...ref, verb },
      {
        timeoutMs: COUNT_TIMEOUT_MS,
        when: async (tx) => {
          await lockExecution(tx, ref.executionId);
          const check = await checkEnd(tx, ref.executionId);
          if (check.complete) return true;
          logger.warn(
            { executionId: ref.executionId, ...check },
            'not everybody has a final state',
          );
          if (verb === 'finish') return false;
          throw new RegenteError('INTERNAL', 'The execution does not add up and cannot end yet.');
        },
      },
    );

  return {
    /** Throws NOT_FOUND, which no retry mends: the workflow parks. */
    async readExecutionStatus({ companyId, executionId }: ExecutionRef): Promise<ExecutionStatus> {
      const view = await withTenant(db, companyId, (tx) => readExecution(tx, executionId));
      const startsInMs =
        view.scheduledAtMs === null ? 0 : Math.max(0, view.scheduledAtMs - Date.now());
      const { campaignId, state, lanes } = view;
      return { campaignId, state, lanes, startsInMs };
    },

    /** PENDING → PROCESSING; nothing when somebody else has changed the state. */
    async startExecution(ref: ExecutionRef): Promise<void> {
      await changeState(db, { ...ref, verb: 'start' });
    },

    /** One turn of a lane: batches for some seconds. Runs again anywhere after a crash: the claims are in PostgreSQL. */
    async dispatchLane(input: LaneTurnInput): Promise<LaneTurn> {
      const { cancellationSignal } = Context.current();
      return runLane(input, () => cancellationSignal.aborted);
    },

    /**
     * PAUSING → PAUSED once no marked call can begin any more. Answers how long to wait before asking again, in
     * milliseconds; 0 when done. By the version read before the rows: an answer about an earlier pause must not end a
     * later one.
     */
    async finishPause(ref: ExecutionRef): Promise<number> {
      const { state, controlVersion, waitMs } = await withTenant(db, ref.companyId, async (tx) => ({
        ...(await readExecution(tx, ref.executionId)),
        waitMs: await inFlightForMs(tx, ref.executionId),
      }));
      if (state !== 'PAUSING') return 0;
      if (waitMs > 0) return waitMs;
      await changeState(db, { ...ref, verb: 'paused', expectedVersion: controlVersion });
      return 0;
    },

    /**
     * Cancels everybody not reached, reconciles the rest without repeats, closes the batches, ends the execution.
     * Answers how long to wait before asking again, in milliseconds; 0 when done.
     */
    async finishCancel(ref: ExecutionRef): Promise<number> {
      const waitMs = await cancelEverybody(deps, ref);
      if (waitMs > 0) return waitMs;
      const { state } = await withTenant(db, ref.companyId, (tx) =>
        readExecution(tx, ref.executionId),
      );
      if (state === 'CANCELLING' || state === 'FAILING')
        await end(ref, state === 'FAILING' ? 'failed' : 'cancelled');
      return 0;
    },

    /** PROCESSING → FINISHED if everybody has a final state; false sends the lanes back to work. */
    async finishExecution(ref: ExecutionRef): Promise<boolean> {
      if (await end(ref, 'finish')) return true;
      // An earlier try may have done it and not been heard.
      const { state } = await withTenant(db, ref.companyId, (tx) =>
        readExecution(tx, ref.executionId),
      );
      return state === 'FINISHED';
    },
  };
}
