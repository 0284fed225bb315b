import type { WaitReason } from '../../domain/campaigns';
import type { GatedPerson, SettleResult, Settlement } from '../../prisma/dispatch/messages';
import {
  gatedPeople,
  lateAcceptances,
  messages,
  secondIds,
  waits,
  waitSeconds,
} from '../../telemetry/metrics';
import { gateReason, resultReason } from '../../telemetry/reasons';

/** Counts what was settled: one addition per state and reason of the micro-batch, not one a message. */
export function countSettled(
  provider: string,
  settlements: readonly Settlement[],
  { late, secondIds: seconds }: SettleResult,
): void {
  const settled = settlements.map(({ outcome, code }) => ({
    state: outcome,
    reason: resultReason(code),
  }));
  for (const { state, reason, count } of grouped(settled))
    messages.inc({ provider, state, reason }, count);
  if (late > 0) lateAcceptances.inc({ provider }, late);
  if (seconds > 0) secondIds.inc({ provider }, seconds);
}

/** Counts whom a mark has skipped or deferred, alike. */
export function countGated(provider: string, gated: readonly GatedPerson[]): void {
  const labels = gated.map(({ state, reason }) => ({ state, reason: gateReason(reason) }));
  for (const { state, reason, count } of grouped(labels))
    gatedPeople.inc({ provider, state, reason }, count);
}

interface Labels {
  state: string;
  reason: string;
}

function grouped(each: readonly Labels[]): Iterable<Labels & { count: number }> {
  const groups = new Map<string, Labels & { count: number }>();
  for (const { state, reason } of each) {
    const key = `${state} ${reason}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { state, reason, count: 1 });
    else group.count += 1;
  }
  return groups.values();
}

/** Counts a wait of a lane, be it spent in the activity or by the workflow. */
export function countWait(reason: WaitReason | null, waitMs: number): void {
  const labels = { reason: reason ?? 'other_lane' };
  waits.inc(labels);
  waitSeconds.inc(labels, waitMs / 1_000);
}
