import { RegenteError } from '../../domain/errors';
import { recordAudit, SYSTEM_ACTOR } from '../../prisma/audit-logs';
import { transitionExecution, type TransitionRequest } from '../../prisma/campaign-executions';
import type { Database } from '../../prisma/client';
import { withTenant, type TenantTx } from '../../prisma/tenant';
import { stateChanges } from '../../telemetry/metrics';
import { stopReason } from '../../telemetry/reasons';

export interface StateChange extends TransitionRequest {
  companyId: string;
}

export interface StateChangeOptions {
  /** Asked under the execution's lock; false calls the change off. */
  when?: (tx: TenantTx) => Promise<boolean>;
  timeoutMs?: number;
}

/** A state change by the dispatch itself, with its audit; false when somebody else changed the state first. */
export async function changeState(
  db: Database,
  { companyId, ...request }: StateChange,
  { when = () => Promise.resolve(true), timeoutMs }: StateChangeOptions = {},
): Promise<boolean> {
  const work = async (tx: TenantTx): Promise<boolean> => {
    if (!(await when(tx))) return false;
    const { before, after, campaignId, isTest } = await transitionExecution(tx, request);
    if (isTest) return true;
    await recordAudit(tx, companyId, SYSTEM_ACTOR, {
      action: `campaign.${request.verb}`,
      entityType: 'campaign',
      entityId: campaignId,
      before: { state: before },
      after: { state: after, reason: request.reason ?? null },
    });
    return true;
  };
  try {
    const changed = await withTenant(
      db,
      companyId,
      work,
      timeoutMs === undefined ? {} : { timeoutMs },
    );
    if (changed)
      stateChanges.inc({ verb: request.verb, reason: stopReason(request.reason ?? null) });
    return changed;
  } catch (error) {
    if (error instanceof RegenteError && error.code === 'CONFLICT') return false;
    throw error;
  }
}
