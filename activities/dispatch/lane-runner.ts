import { RegenteError, type ErrorCode } from '../../domain/errors';
import { noteWaiting, readExecution } from '../../prisma/campaign-executions';
import { fromDatabase, sqlState } from '../../prisma/errors';
import { withTenant } from '../../prisma/tenant';
import { laneFaults } from '../../telemetry/metrics';
import { runLaneTurn, type LaneTurn, type LaneTurnInput } from './lane-turn';
import type { DispatchDeps } from './turn';

/** What passes by itself: the engine tries again, and nobody needs to be told. */
const PASSES: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'RATE_LIMITED']);
const PARKED_MS = 15_000;

export type LaneRunner = (input: LaneTurnInput, isCancelled: () => boolean) => Promise<LaneTurn>;

/**
 * Runs turns of lanes. A turn that fails for a reason that no waiting mends (a mistake in this program, a statement that
 * the database does not understand) parks its lane: the campaign shows `internal_error`, the log names it once, and the
 * next turn comes when the wait is over, for a new version may have been started by then.
 */
export function createLaneRunner(deps: DispatchDeps): LaneRunner {
  const { logger } = deps;
  /** What keeps the lanes of an execution that are parked here; gone with its next good turn. */
  const faults = new Map<string, Map<number, string>>();

  /** False where this lane, or another one of its execution, has failed like this before. */
  function isNews({ executionId, lane }: LaneTurnInput, fault: string): boolean {
    const lanes = faults.get(executionId) ?? new Map<number, string>();
    const known = [...lanes.values()].includes(fault);
    faults.set(executionId, lanes.set(lane, fault));
    return !known;
  }

  function forget({ executionId, lane }: LaneTurnInput): void {
    const lanes = faults.get(executionId);
    if (lanes?.delete(lane) === true && lanes.size === 0) faults.delete(executionId);
  }

  return async (input, isCancelled) => {
    try {
      const turn = await runLaneTurn(deps, input, isCancelled);
      forget(input);
      return turn;
    } catch (thrown) {
      const error = fromDatabase(thrown);
      if (isCancelled() || (error instanceof RegenteError && PASSES.has(error.code))) throw error;
      laneFaults.inc();
      const campaignId = await park(deps, input);
      if (isNews(input, faultOf(error)))
        logger.error({ err: error, campaignId, ...input }, 'a lane is parked by an error');
      const { fromSeq } = input;
      return { kind: 'waiting', fromSeq, reason: 'internal_error', waitMs: PARKED_MS };
    }
  };
}

/** Shows the reason and answers whose it is; the database may have to be waited for, and then the engine tries again. */
async function park({ db }: DispatchDeps, input: LaneTurnInput): Promise<string> {
  const { companyId, executionId } = input;
  return withTenant(db, companyId, async (tx) => {
    const { campaignId } = await readExecution(tx, executionId);
    const untilMs = Date.now() + PARKED_MS;
    await noteWaiting(tx, executionId, { reason: 'internal_error', untilMs });
    return campaignId;
  });
}

/** The same text for the same fault, whatever numbers and ids its message names, and however the database words it. */
function faultOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return sqlState(error) ?? `${name} ${message.replaceAll(/[0-9a-f-]{8,}|\d+/gi, '#')}`;
}
