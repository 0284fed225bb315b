import type { WaitReason } from '../../domain/campaigns';
import type { SettleResult, Settlement } from '../../prisma/dispatch/messages';
import { lateAcceptances, messages, secondIds, waits, waitSeconds } from '../../telemetry/metrics';
import { resultReason } from '../../telemetry/reasons';

/** Counts what was settled: one addition per state and reason of the micro-batch, not one a message. */
export function countSettled(
  provider: string,
  settlements: readonly Settlement[],
  { late, secondIds: seconds }: SettleResult,
): void {
  const groups = new Map<string, { state: string; reason: string; count: number }>();
  for (const { outcome: state, code } of settlements) {
    const reason = resultReason(code);
    const key = `${state} ${reason}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { state, reason, count: 1 });
    else group.count += 1;
  }
  for (const { state, reason, count } of groups.values())
    messages.inc({ provider, state, reason }, count);
  if (late > 0) lateAcceptances.inc({ provider }, late);
  if (seconds > 0) secondIds.inc({ provider }, seconds);
}

/** Counts a wait of a lane, be it spent in the activity or by the workflow. */
export function countWait(reason: WaitReason | null, waitMs: number): void {
  const labels = { reason: reason ?? 'other_lane' };
  waits.inc(labels);
  waitSeconds.inc(labels, waitMs / 1_000);
}
