import { countStates, type MessageState, type StateCounts } from '../../domain/communications';
import {
  estimatedEnd,
  ratePerSecond,
  RECENT_MS,
  tallyExecutions,
  whyWaiting,
  type ExecutionTally,
  type Tally,
  type Waiting,
} from '../../domain/campaign-progress';
import type { CampaignState, ExecutionState } from '../../domain/campaigns';
import { sumAmounts } from '../../domain/money';
import type { Campaign, CampaignExecution } from '../generated/client';
import type { TenantTx } from '../tenant';
import { REAL } from './lock';

/** An execution with what its batches count. */
export interface CountedExecution extends ExecutionTally {
  execution: CampaignExecution;
  /** People in batches that were closed within `RECENT_MS`. */
  recent: number;
}

type Row = Record<MessageState, number> & {
  executionId: string;
  isFish: boolean;
  reserved: string;
  used: string;
  recent: number;
};

/** Executions counted by their batches: thousands of rows for a million people. */
export async function countExecutions(
  tx: TenantTx,
  executions: readonly CampaignExecution[],
): Promise<CountedExecution[]> {
  const ids = executions.map(({ id }) => id);
  const rows = await tx.$queryRaw<Row[]>`
    SELECT b.execution_id::text AS "executionId", b.from_position >= e.recipients AS "isFish",
      sum(b.queued)::int AS queued, sum(b.sending)::int AS sending, sum(b.sent)::int AS sent,
      sum(b.delivered)::int AS delivered, sum(b.read)::int AS read, sum(b.clicked)::int AS clicked,
      sum(b.undelivered)::int AS undelivered, sum(b.failed)::int AS failed, sum(b.skipped)::int AS skipped,
      sum(b.unknown)::int AS unknown, sum(b.cancelled)::int AS cancelled,
      sum(b.reserved - b.spent)::text AS reserved, sum(b.spent + b.booked)::text AS used,
      coalesce(sum(b.to_position - b.from_position + 1)
        FILTER (WHERE b.closed_at > clock_timestamp() - make_interval(secs => ${RECENT_MS / 1_000})), 0)::int AS recent
    FROM dispatch_batches b JOIN campaign_executions e ON e.id = b.execution_id
    WHERE b.execution_id = ANY (${ids}::uuid[])
    GROUP BY b.execution_id, b.from_position >= e.recipients`;
  return executions.map((execution) => {
    const mine = rows.filter((row) => row.executionId === execution.id);
    const people = mine.find((row) => !row.isFish);
    const fish = mine.find((row) => row.isFish);
    return {
      execution,
      isRetry: execution.executionType === 'retry',
      recipients: execution.recipients,
      fish: execution.fish,
      people: statesOf(people),
      fishPeople: statesOf(fish),
      reserved: sumAmounts(mine.map((row) => row.reserved)),
      used: sumAmounts(mine.map((row) => row.used)),
      recent: people?.recent ?? 0,
    };
  });
}

function statesOf(row: Row | undefined): StateCounts {
  return countStates((state) => row?.[state] ?? 0);
}

/** Rows that a retry has taken and that were accepted after all; read in the few batches that had any such news. */
async function countLateTaken(
  tx: TenantTx,
  counted: readonly CountedExecution[],
): Promise<StateCounts | undefined> {
  if (!counted.some(({ isRetry }) => isRetry)) return undefined;
  const ids = counted.map(({ execution }) => execution.id);
  const rows = await tx.$queryRaw<{ state: MessageState; people: number }[]>`
    SELECT c.state, count(*)::int AS people
    FROM dispatch_batches b
      JOIN campaign_executions e ON e.id = b.execution_id
      JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id AND c.step = 0
        AND c.channel = e.channel AND c.position BETWEEN b.from_position AND b.to_position
    WHERE b.execution_id = ANY (${ids}::uuid[]) AND b.late > 0 AND c.retried_by IS NOT NULL AND c.state <> 'failed'
    GROUP BY 1`;
  const byState = new Map(rows.map(({ state, people }) => [state, people]));
  return countStates((state) => byState.get(state) ?? 0);
}

/** Everything that a campaign shows of its way. */
export interface Progress extends Tally {
  /** The newest execution. */
  execution: CampaignExecution | null;
  ratePerSecond: number | null;
  estimatedEnd: Date | null;
  waiting: (Omit<Waiting, 'actorId'> & { by: Person | null }) | null;
}

/** A user by name, or an API key by the name that it was given. */
export interface Person {
  id: string;
  name: string | null;
}

/** A campaign's executions as one, with its pace and with why it waits. */
export async function readProgress(tx: TenantTx, campaign: Campaign): Promise<Progress> {
  const counted = await countExecutions(
    tx,
    await tx.campaignExecution.findMany({
      where: { campaignId: campaign.id, ...REAL },
      orderBy: { id: 'desc' },
    }),
  );
  const tally = tallyExecutions(counted, await countLateTaken(tx, counted));
  const newest = counted[0];
  const execution = newest?.execution ?? null;
  const nowMs = Date.now();
  const rate =
    newest === undefined ? null : ratePerSecond({ ...newest, ...newest.execution }, nowMs);
  const waiting = whyWaiting(
    {
      state: campaign.state as CampaignState,
      execution:
        execution === null ? null : { ...execution, state: execution.state as ExecutionState },
    },
    nowMs,
  );
  return {
    ...tally,
    execution,
    ratePerSecond: rate,
    estimatedEnd: estimatedEnd(tally.counts, rate, Math.max(nowMs, waiting?.until?.getTime() ?? 0)),
    waiting: waiting === null ? null : await withName(tx, waiting),
  };
}

async function withName(
  tx: TenantTx,
  { actorId, ...waiting }: Waiting,
): Promise<NonNullable<Progress['waiting']>> {
  if (actorId === null) return { ...waiting, by: null };
  const names = await readNames(tx, [actorId]);
  return { ...waiting, by: { id: actorId, name: names.get(actorId) ?? null } };
}

/** Names of users and keys; staff of the operator, who belong to another company, have none here. */
export async function readNames(
  tx: TenantTx,
  ids: readonly (string | null)[],
): Promise<Map<string, string>> {
  const given = [...new Set(ids.filter((id) => id !== null))];
  if (given.length === 0) return new Map();
  const wanted = { where: { id: { in: given } }, select: { id: true, name: true } };
  const [users, keys] = [await tx.user.findMany(wanted), await tx.apiKey.findMany(wanted)];
  return new Map([...users, ...keys].map(({ id, name }) => [id, name]));
}
