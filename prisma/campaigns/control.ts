import { requireAllowed, type CampaignState, type CampaignVerb } from '../../domain/campaigns';
import { notFound, RegenteError } from '../../domain/errors';
import { inFlightForMs, transitionExecution, type TransitionResult } from '../campaign-executions';
import type { Database } from '../client';
import type { CampaignExecution } from '../generated/client';
import { withTenant, type TenantTx } from '../tenant';
import { holdCampaign, newestExecution } from './lock';
import type { CampaignActor } from './scope';

/** A state change that somebody asked for, before and after. */
export interface Controlled {
  executionId: string;
  before: CampaignState;
  after: CampaignState;
  controlVersion: number;
}

/**
 * Pauses, resumes or cancels the campaign's execution. A pause that is under way already, or over, is answered as such:
 * whoever never got an answer can ask again.
 * Throws CONFLICT with the states from which the verb is allowed.
 */
export async function controlCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  { verb, reason }: { verb: 'pause' | 'resume' | 'cancel'; reason: string | null },
): Promise<Controlled> {
  const { campaign, execution } = await holdCampaign(tx, actor, id);
  const before = campaign.state as CampaignState;
  requireAllowed(verb, before);
  const { id: executionId, controlVersion } = present(execution, verb);
  if (verb === 'pause' && (before === 'PAUSING' || before === 'PAUSED'))
    return { executionId, before, after: before, controlVersion };
  const result = await transitionExecution(tx, { executionId, verb, reason, actorId: actor.id });
  const after = await stateOf(tx, id);
  return { executionId, before, after, controlVersion: result.controlVersion };
}

function present(execution: CampaignExecution | null, verb: CampaignVerb): CampaignExecution {
  if (execution === null)
    throw new RegenteError('INTERNAL', `There is nothing to ${verb}: no execution.`);
  return execution;
}

async function stateOf(tx: TenantTx, id: string): Promise<CampaignState> {
  const row = await tx.campaign.findUnique({ where: { id }, select: { state: true } });
  if (row === null) throw notFound('campaign');
  return row.state as CampaignState;
}

/** How often it is looked whether the last marked call can still begin. */
const LONGEST_POLL_MS = 250;

/**
 * Waits until no marked call of a PAUSING execution can begin any more. The lease bounds it, whatever the vendor does;
 * no worker is needed. Answers false when that took longer than `withinMs`.
 */
export async function waitForSilence(
  db: Database,
  companyId: string,
  executionId: string,
  withinMs: number,
  sleep: (ms: number) => Promise<void>,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const ms = await withTenant(db, companyId, (tx) => inFlightForMs(tx, executionId));
    if (ms === 0) return true;
    if (performance.now() + Math.min(ms, LONGEST_POLL_MS) > deadline) return false;
    await sleep(Math.min(ms, LONGEST_POLL_MS));
  }
}

/**
 * PAUSING → PAUSED of one's own pause, after the silence. Nothing when somebody else has moved it meanwhile: the
 * workflow may have finished the same pause, a person may have cancelled.
 */
export async function finishPause(
  tx: TenantTx,
  { executionId, controlVersion }: Controlled,
): Promise<TransitionResult | undefined> {
  try {
    return await transitionExecution(tx, {
      executionId,
      verb: 'paused',
      expectedVersion: controlVersion,
    });
  } catch (error) {
    if (error instanceof RegenteError && error.code === 'CONFLICT') return undefined;
    throw error;
  }
}

/** Where the campaign is now. */
export async function readState(
  tx: TenantTx,
  id: string,
): Promise<{ id: string; state: CampaignState; executionId: string | null }> {
  const execution = await newestExecution(tx, id);
  return { id, state: await stateOf(tx, id), executionId: execution?.id ?? null };
}
