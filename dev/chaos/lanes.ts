import { Client as EngineClient, Connection } from '@temporalio/client';
import { Client } from 'pg';
import { campaignLaneId } from '../../workflows/campaign-lane';
import type { Launched } from './campaign';
import type { Installation } from './installation';
import type { RegenteProcess } from './processes';
import { until } from './until';

/** What a worker has of a campaign at a moment: lanes that it works on and that are not at their end. */
export interface Holding {
  lanes: readonly number[];
  /** How often each of them has claimed a batch. */
  claims: ReadonlyMap<number, number>;
  /** People of theirs who are in `sending`. */
  sending: readonly number[];
}

/** The engine knows which process works on a lane, and the database how far the lane has come. */
export async function readHolding(
  { stack, adminUrl }: Installation,
  { executionId }: Launched,
  { pid }: RegenteProcess,
): Promise<Holding> {
  const claims = await readClaims(adminUrl, executionId);
  const held = await lanesOf(stack.temporalAddress, executionId, [...claims.keys()], pid);
  const lanes = held.filter((lane) => claims.get(lane)?.isUnfinished);
  const rows = await ask<{ position: number }>(adminUrl, SENDING, [executionId, lanes]);
  return {
    lanes,
    claims: new Map(lanes.map((lane) => [lane, claims.get(lane)?.count ?? 0])),
    sending: rows.map(({ position }) => position),
  };
}

/** Waits until each of these lanes has claimed again: with its worker standing still, that was another one. */
export async function untilReplaced(
  { adminUrl }: Installation,
  { executionId }: Launched,
  { lanes, claims: before }: Holding,
  withinMs: number,
): Promise<void> {
  await until(
    'another worker has claimed what the frozen one holds',
    async () => {
      const now = await readClaims(adminUrl, executionId);
      return lanes.every((lane) => (now.get(lane)?.count ?? 0) > (before.get(lane) ?? 0));
    },
    withinMs,
  );
}

/** Waits until the database has done, or given up, whatever this process has asked of it. */
export const untilQuiet = ({ adminUrl }: Installation, { name }: RegenteProcess): Promise<void> =>
  until('the statements of the frozen worker have ended', async () => {
    const active = `SELECT FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'`;
    return (await ask(adminUrl, active, [name])).length === 0;
  });

/** Waits until none of these people is in `sending` or deferred. */
export const untilSettled = (
  { adminUrl }: Installation,
  { executionId }: Launched,
  positions: readonly number[],
  withinMs: number,
): Promise<void> =>
  until(
    'everybody whom the frozen worker has left is settled',
    async () => {
      const open = `SELECT FROM communications
        WHERE source_id = $1 AND position = ANY ($2) AND state IN ('queued', 'sending')`;
      return (await ask(adminUrl, open, [executionId, positions])).length === 0;
    },
    withinMs,
  );

const SENDING = `
  SELECT c.position FROM dispatch_batches b
    JOIN communications c ON c.source_id = b.execution_id AND c.position BETWEEN b.from_position AND b.to_position
    WHERE b.execution_id = $1 AND b.lane = ANY ($2) AND b.sending > 0 AND c.state = 'sending'`;

interface Claims {
  count: number;
  isUnfinished: boolean;
}

async function readClaims(adminUrl: string, executionId: string): Promise<Map<number, Claims>> {
  const rows = await ask<Claims & { lane: number }>(
    adminUrl,
    `SELECT lane, sum(attempt)::int AS count, bool_or(state <> 'closed') AS "isUnfinished"
       FROM dispatch_batches WHERE execution_id = $1 GROUP BY lane ORDER BY lane`,
    [executionId],
  );
  return new Map(rows.map(({ lane, ...claims }) => [lane, claims]));
}

async function lanesOf(
  address: string,
  executionId: string,
  lanes: readonly number[],
  pid: number,
): Promise<number[]> {
  const connection = await Connection.connect({ address });
  try {
    const { workflow } = new EngineClient({ connection });
    const held: number[] = [];
    for (const lane of lanes) {
      const { raw } = await workflow.getHandle(campaignLaneId(executionId, lane)).describe();
      const isHeld = raw.pendingActivities?.some(({ lastWorkerIdentity }) =>
        lastWorkerIdentity?.startsWith(`${pid}@`),
      );
      if (isHeld === true) held.push(lane);
    }
    return held;
  } finally {
    await connection.close();
  }
}

async function ask<Row extends object>(
  adminUrl: string,
  statement: string,
  values: unknown[],
): Promise<Row[]> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return (await client.query<Row>(statement, values)).rows;
  } finally {
    await client.end();
  }
}
