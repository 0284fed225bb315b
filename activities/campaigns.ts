import { Context } from '@temporalio/activity';
import type { ExecutionState } from '../domain/campaigns';
import { RegenteError } from '../domain/errors';
import { recordAudit, SYSTEM_ACTOR } from '../prisma/audit-logs';
import {
  checkEnd,
  inFlightForMs,
  readExecution,
  transitionExecution,
  type TransitionRequest,
} from '../prisma/campaign-executions';
import type { ExecutionRef } from '../prisma/dispatch/batches';
import type { Database } from '../prisma/client';
import { withTenant } from '../prisma/tenant';
import { cancelEverybody } from './dispatch/cancel';
import { runLaneTurn, type LaneTurn, type LaneTurnInput } from './dispatch/lane-turn';
import type { DispatchDeps } from './dispatch/turn';

/** What the root workflow decides by. */
export interface ExecutionStatus {
  state: ExecutionState;
  lanes: number;
  /** Milliseconds until the start that was asked for; 0 when it has come. */
  startsInMs: number;
}

const HEARTBEAT_MS = 2_000;

export function createCampaignActivities(deps: DispatchDeps) {
  const { db, logger } = deps;

  const transition = (
    ref: ExecutionRef,
    request: Omit<TransitionRequest, 'executionId'>,
  ): Promise<boolean> =>
    tryTransition(db, { ...request, executionId: ref.executionId }, ref.companyId);

  return {
    async readExecutionStatus({ companyId, executionId }: ExecutionRef): Promise<ExecutionStatus> {
      const view = await withTenant(db, companyId, (tx) => readExecution(tx, executionId));
      const startsInMs =
        view.scheduledAtMs === null ? 0 : Math.max(0, view.scheduledAtMs - Date.now());
      return { state: view.state, lanes: view.lanes, startsInMs };
    },

    async startExecution(ref: ExecutionRef): Promise<void> {
      await transition(ref, { verb: 'start' });
    },

    /** One turn of a lane: batches for some seconds. Runs again anywhere after a crash: the claims are in PostgreSQL. */
    async dispatchLane(input: LaneTurnInput): Promise<LaneTurn> {
      const { cancellationSignal } = Context.current();
      return withHeartbeat(() => runLaneTurn(deps, input, () => cancellationSignal.aborted));
    },

    /** PAUSING → PAUSED once no marked call can begin any more. Answers how long to wait before asking again; 0 when done. */
    async finishPause(ref: ExecutionRef): Promise<number> {
      const waitMs = await withTenant(db, ref.companyId, (tx) =>
        inFlightForMs(tx, ref.executionId),
      );
      if (waitMs > 0) return waitMs;
      await transition(ref, { verb: 'paused' });
      return 0;
    },

    /** Cancels everybody not reached, reconciles the rest without repeats, closes the batches, ends the execution. */
    async finishCancel(ref: ExecutionRef): Promise<number> {
      return withHeartbeat(async () => {
        const waitMs = await cancelEverybody(deps, ref);
        if (waitMs > 0) return waitMs;
        const { state } = await withTenant(db, ref.companyId, (tx) =>
          readExecution(tx, ref.executionId),
        );
        if (state === 'CANCELLING' || state === 'FAILING') {
          await transition(ref, { verb: state === 'FAILING' ? 'failed' : 'cancelled' });
        }
        return 0;
      });
    },

    /** PROCESSING → FINISHED if everybody has a final state; false sends the lanes back to work. */
    async finishExecution(ref: ExecutionRef): Promise<boolean> {
      const check = await withTenant(db, ref.companyId, (tx) => checkEnd(tx, ref.executionId), {
        timeoutMs: 60_000,
      });
      if (!check.complete) {
        logger.warn({ executionId: ref.executionId, ...check }, 'not everybody has a final state');
        return false;
      }
      return transition(ref, { verb: 'finish' });
    },

    /** A configuration error has stopped a lane. Nobody is given up for it: a person mends it and resumes. */
    async pauseExecution({ reason, ...ref }: ExecutionRef & { reason: string }): Promise<void> {
      await transition(ref, { verb: 'pause', reason });
    },
  };
}

/** Heartbeats from an interval, so that waiting for tokens or for a vendor is not taken for death. */
async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}

/** A state change by the dispatch itself; false when somebody else changed the state first. */
async function tryTransition(
  db: Database,
  request: TransitionRequest,
  companyId: string,
): Promise<boolean> {
  try {
    await withTenant(db, companyId, async (tx) => {
      const { before, after, campaignId, isTest } = await transitionExecution(tx, request);
      if (isTest) return;
      await recordAudit(tx, companyId, SYSTEM_ACTOR, {
        action: `campaign.${request.verb}`,
        entityType: 'campaign',
        entityId: campaignId,
        before: { state: before },
        after: { state: after, reason: request.reason ?? null },
      });
    });
    return true;
  } catch (error) {
    if (error instanceof RegenteError && error.code === 'CONFLICT') return false;
    throw error;
  }
}
