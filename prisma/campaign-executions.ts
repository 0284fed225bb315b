import {
  campaignStateOf,
  executionTransition,
  isTerminal,
  notAllowed,
  type ExecutionState,
  type ExecutionVerb,
  type WaitReason,
} from '../domain/campaigns';
import type { CampaignPlan } from '../domain/campaign-plans';
import type { BudgetPolicy } from '../domain/campaign-settings';
import type { Channel } from '../domain/channels';
import { notFound } from '../domain/errors';
import type { CampaignExecution } from './generated/client';
import type { TenantTx } from './tenant';
import { currentTraceParent } from '../telemetry/traces';

/** What the workflows and the dispatch need to know of an execution. */
export interface ExecutionView {
  id: string;
  companyId: string;
  campaignId: string;
  state: ExecutionState;
  stateReason: string | null;
  controlVersion: number;
  credentialId: string;
  channel: Channel;
  ledgerMonth: string;
  lanes: number;
  scheduledAtMs: number | null;
  sendUntilMs: number | null;
  onBudgetExhausted: BudgetPolicy;
  waitingReason: string | null;
  plan: CampaignPlan;
}

/** Throws NOT_FOUND. */
export async function readExecution(tx: TenantTx, id: string): Promise<ExecutionView> {
  const row = await tx.campaignExecution.findUnique({ where: { id } });
  if (row === null) throw notFound('execution');
  return viewOf(row);
}

function viewOf(row: CampaignExecution): ExecutionView {
  return {
    id: row.id,
    companyId: row.companyId,
    campaignId: row.campaignId,
    state: row.state as ExecutionState,
    stateReason: row.stateReason,
    controlVersion: row.controlVersion,
    credentialId: row.credentialId,
    channel: row.channel as Channel,
    ledgerMonth: row.ledgerMonth.toISOString().slice(0, 10),
    lanes: row.lanes,
    scheduledAtMs: row.scheduledAt?.getTime() ?? null,
    sendUntilMs: row.sendUntil?.getTime() ?? null,
    onBudgetExhausted: row.onBudgetExhausted as BudgetPolicy,
    waitingReason: row.waitingReason,
    plan: row.plan as unknown as CampaignPlan,
  };
}

export interface TransitionRequest {
  executionId: string;
  verb: ExecutionVerb;
  reason?: string | null;
  actorId?: string | null;
  /** The transition only happens if nobody has changed the state since this version was read. */
  expectedVersion?: number;
}

export interface TransitionResult {
  before: ExecutionState;
  after: ExecutionState;
  controlVersion: number;
  campaignId: string;
  /** A test send is no change of its campaign. */
  isTest: boolean;
}

/** The root reads the state after these by itself; told of its own end, it would be started again. */
const OF_THE_ROOT: ReadonlySet<ExecutionVerb> = new Set(['start', 'finish', 'cancelled', 'failed']);

/** Takes the execution's lock alone: no mark begins or is under way while it is held. */
export async function lockExecution(tx: TenantTx, executionId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(execution_lock(${executionId}::uuid))`;
}

/**
 * The one way in which an execution's state changes: under its lock, by compare-and-set on the version, together with
 * the campaign's state and, unless its root made the change, the outbox row that tells the root to look again.
 * Throws NOT_FOUND, or CONFLICT with the states from which the verb is allowed.
 */
export async function transitionExecution(
  tx: TenantTx,
  request: TransitionRequest,
): Promise<TransitionResult> {
  const { executionId, reason = null, actorId = null, expectedVersion } = request;
  await lockExecution(tx, executionId);
  const row = await tx.campaignExecution.findUnique({ where: { id: executionId } });
  if (row === null) throw notFound('execution');
  const isTest = row.executionType === 'test';
  // Nobody resumes a test send, so what would pause it ends it.
  const verb = isTest && request.verb === 'pause' ? 'fail' : request.verb;
  const before = row.state as ExecutionState;
  const { from, to } = executionTransition(verb);
  if (
    !from.includes(before) ||
    (expectedVersion !== undefined && expectedVersion !== row.controlVersion)
  ) {
    throw notAllowed(verb, campaignStateOf(before), from.map(campaignStateOf));
  }
  // Whoever ends the pause, and whichever worker has died with a claim: a paused campaign keeps no money from others.
  if (verb === 'paused') await releaseReservations(tx, row);
  // A campaign that was paused before its start goes back to waiting for it.
  const after: ExecutionState = verb === 'resume' && row.startedAt === null ? 'PENDING' : to;
  // "Paused" keeps saying why it was paused, and by whom.
  const isCompletion = verb === 'paused' || verb === 'cancelled' || verb === 'failed';
  const now = new Date();
  const updated = await tx.campaignExecution.update({
    where: { id: executionId, controlVersion: row.controlVersion },
    data: {
      state: after,
      ...(isCompletion ? {} : { stateReason: reason, stateActor: actorId }),
      controlVersion: { increment: 1 },
      waitingReason: null,
      waitingUntil: null,
      ...(verb === 'start' ? { startedAt: now } : {}),
      ...(isTerminal(after) ? { finishedAt: now } : {}),
    },
  });
  if (!isTest) {
    await tx.campaign.update({
      where: { id: row.campaignId },
      data: {
        // Whoever withdraws an execution edits its campaign.
        state: verb === 'withdraw' ? 'DRAFT' : campaignStateOf(after),
        stateReason: updated.stateReason,
      },
    });
  }
  if (!OF_THE_ROOT.has(verb)) await tellEngine(tx, row.companyId, executionId);
  const { controlVersion, campaignId } = updated;
  return { before, after, controlVersion, campaignId, isTest };
}

/** Gives back the money that the batches hold for people whom they have not marked. */
async function releaseReservations(
  tx: TenantTx,
  { companyId, id }: { companyId: string; id: string },
): Promise<void> {
  await tx.$executeRaw`SELECT dispatch_release(${companyId}::uuid, ${id}::uuid)`;
}

/** Leaves a note for the relay: this execution's workflow has to look again. */
export async function tellEngine(
  tx: TenantTx,
  companyId: string,
  executionId: string,
): Promise<void> {
  const traceParent = currentTraceParent();
  await tx.outbox.create({
    data: { companyId, topic: 'execution', subjectId: executionId, traceParent },
  });
}

/**
 * Until when a marked call may still begin, in milliseconds from now; 0 when none can. Rows past their lease do not
 * count: whoever holds them begins no call any more. A second call may begin of somebody whose first one a callback has
 * proven meanwhile, so of those the lease counts, whatever their state.
 */
export async function inFlightForMs(tx: TenantTx, executionId: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ ms: number | null }[]>`
    SELECT ceil(extract(epoch FROM max(c.call_before) - clock_timestamp()) * 1000)::int AS ms
    FROM campaign_executions e
      JOIN dispatch_batches b ON b.execution_id = e.id AND (b.sending > 0 OR b.repeat_before > clock_timestamp())
      JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id AND c.step = 0
        AND c.channel = e.channel AND c.position BETWEEN b.from_position AND b.to_position
    WHERE e.id = ${executionId}::uuid
      AND (c.state = 'sending' OR (c.tries > 1 AND c.state <> 'unknown' AND c.call_before > clock_timestamp()))`;
  return Math.max(0, row?.ms ?? 0);
}

export interface EndCheck {
  /** Everybody has a final state, and every batch is closed. */
  complete: boolean;
  rows: number;
  open: number;
}

/** How long a transaction that counts a ledger of millions may take. */
export const COUNT_TIMEOUT_MS = 60_000;

/**
 * Counts the ledger itself, once, at the end: the counters alone do not end a campaign. Wants `COUNT_TIMEOUT_MS`.
 * Throws NOT_FOUND.
 */
export async function checkEnd(tx: TenantTx, executionId: string): Promise<EndCheck> {
  const [row] = await tx.$queryRaw<
    { rows: number; open: number; expected: number; unclosed: number }[]
  >`
    SELECT e.recipients + e.fish AS expected, l.rows, l.open,
      (SELECT count(*)::int FROM dispatch_batches b WHERE b.execution_id = e.id AND b.state <> 'closed') AS unclosed
    FROM campaign_executions e CROSS JOIN LATERAL (
      SELECT count(*)::int AS rows, (count(*) FILTER (WHERE c.state IN ('queued', 'sending')))::int AS open
      FROM communications c WHERE c.ledger_month = e.ledger_month AND c.source_id = e.id) l
    WHERE e.id = ${executionId}::uuid`;
  if (row === undefined) throw notFound('execution');
  const { rows, open, expected, unclosed } = row;
  return { complete: rows === expected && open === 0 && unclosed === 0, rows, open };
}

/** Shows why nothing is sent right now; null when something is again. */
export async function noteWaiting(
  tx: TenantTx,
  executionId: string,
  waiting: { reason: WaitReason; untilMs: number } | null,
): Promise<void> {
  await tx.campaignExecution.updateMany({
    where: { id: executionId, state: 'PROCESSING' },
    data: {
      waitingReason: waiting?.reason ?? null,
      waitingUntil: waiting === null ? null : new Date(waiting.untilMs),
    },
  });
}
