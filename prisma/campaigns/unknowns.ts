import { isTerminal, requireAllowed, type CampaignState } from '../../domain/campaigns';
import type { ResolveUnknownInput } from '../../domain/campaigns.schema';
import { notFound, RegenteError } from '../../domain/errors';
import { tellEngine } from '../campaign-executions';
import type { CampaignExecution } from '../generated/client';
import { refuseArchived } from '../ledger-months';
import type { TenantTx } from '../tenant';
import type { DispatchShape } from './approval';
import { holdCampaign, REAL, type HeldCampaign } from './lock';
import { newExecutionId, openRetry } from './retry-opening';
import type { CampaignActor } from './scope';

/** Someone of an execution's audience, or of its fish. */
export interface Place {
  executionId: string;
  position: number;
}

/** Why a message could not be decided: its call may not be over, something else is known by now, fish are not retried. */
export type Undecidable = 'too_early' | 'not_unknown' | 'fish';

/** What became of the asked-for messages; the lists name the first `LISTED`. */
export interface Decision {
  decided: number;
  people: Place[];
  undecided: Record<Undecidable, number>;
  undecidedPeople: (Place & { why: Undecidable })[];
  /** From when on everybody who was too early can be decided. */
  decidableAt: Date | null;
}

export interface Resolved extends Decision {
  /** The execution that sends again. */
  executionId: string | null;
  before: CampaignState;
  after: CampaignState;
}

/** So many people are named in an answer and in the audit. */
const LISTED = 100;

export interface ResolveOptions extends ResolveUnknownInput {
  /** How long after its lease a call may still be answered. */
  graceMs: number;
  shape: DispatchShape;
}

/**
 * Decides messages in `unknown` as a person says: sent, failed (with the money back), or to be sent again: by their own
 * execution while it is open, with the same reference; else by a new one, in which a vendor sees a new message.
 * Throws CONFLICT where the campaign's state or another open execution forbids it, NOT_FOUND, ARCHIVED when
 * some of its people are.
 */
export async function resolveUnknown(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  options: ResolveOptions,
): Promise<Resolved> {
  const held = await holdCampaign(tx, actor, id);
  const before = held.campaign.state as CampaignState;
  requireAllowed(options.as === 'again' ? 'send-again' : 'resolve-unknown', before);
  const executions = await executionsOf(tx, id, options.only.executionId);
  if (options.as === 'again') return sendAgain(tx, actor, held, executions, options);
  const decision = await decide(tx, held, executions, options, { outcome: options.as });
  return { ...decision, executionId: null, before, after: before };
}

/** All of the campaign, or the one asked for. */
async function executionsOf(
  tx: TenantTx,
  campaignId: string,
  executionId: string | undefined,
): Promise<CampaignExecution[]> {
  const which = executionId === undefined ? {} : { id: executionId };
  const executions = await tx.campaignExecution.findMany({
    where: { campaignId, ...REAL, ...which },
  });
  if (executionId !== undefined && executions.length === 0) throw notFound('execution');
  return executions;
}

async function sendAgain(
  tx: TenantTx,
  actor: CampaignActor,
  held: HeldCampaign,
  executions: readonly CampaignExecution[],
  options: ResolveOptions,
): Promise<Resolved> {
  const { campaign, execution: last } = held;
  const before = campaign.state as CampaignState;
  if (last === null) throw new RegenteError('INTERNAL', 'The campaign has no execution.');
  if (!isTerminal(before)) {
    const open = executions.filter(({ id }) => id === last.id);
    if (open.length === 0) throw anotherIsOpen(last.id);
    const decision = await decide(tx, held, open, options, { outcome: 'queued' });
    const isSent = decision.decided > 0;
    if (isSent) await tellEngine(tx, campaign.companyId, last.id);
    return { ...decision, executionId: isSent ? last.id : null, before, after: before };
  }
  const executionId = await newExecutionId(tx);
  const outcome = { outcome: 'failed', retriedBy: executionId } as const;
  const decision = await decide(tx, held, executions, options, outcome);
  if (decision.decided === 0) return { ...decision, executionId: null, before, after: before };
  const { shape } = options;
  await openRetry(tx, { executionId, campaign, last, createdBy: actor.id, shape });
  return { ...decision, executionId, before, after: 'APPROVED' };
}

const anotherIsOpen = (executionId: string): RegenteError =>
  new RegenteError(
    'CONFLICT',
    'That execution has ended, and the campaign has an open one; ask again when it has ended too.',
    { details: { openExecutionId: executionId } },
  );

interface Row {
  decided: number;
  too_early: number;
  not_unknown: number;
  fish: number;
  decidable_at: Date | null;
  people: [string, number][] | null;
  refused: [string, number, Undecidable][] | null;
}

async function decide(
  tx: TenantTx,
  { campaign }: HeldCampaign,
  executions: readonly CampaignExecution[],
  { only, graceMs }: ResolveOptions,
  as: { outcome: 'sent' | 'failed' | 'queued'; retriedBy?: string },
): Promise<Decision> {
  const ids = executions.map(({ id }) => id);
  const { positions = null, reason = null } = only;
  const [row] = await tx.$queryRaw<Row[]>`
    SELECT * FROM dispatch_resolve(${campaign.companyId}::uuid, ${ids}::uuid[], ${positions}::int[], ${reason}::text,
      ${as.outcome}::text, ${as.retriedBy ?? null}::uuid, ${graceMs}::int, ${LISTED}::int)`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'dispatch_resolve answered no row.');
  await refuseArchived(tx, campaign.id);
  return {
    decided: row.decided,
    people: (row.people ?? []).map(([executionId, position]) => ({ executionId, position })),
    undecided: { too_early: row.too_early, not_unknown: row.not_unknown, fish: row.fish },
    undecidedPeople: (row.refused ?? []).map(([executionId, position, why]) => ({
      executionId,
      position,
      why,
    })),
    decidableAt: row.decidable_at,
  };
}
