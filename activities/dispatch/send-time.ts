import { nextAllowed } from '../../domain/send-windows';
import type { ExecutionView } from '../../prisma/campaign-executions';

type Schedule = Pick<ExecutionView, 'plan' | 'sendUntilMs'>;

export interface ClosedZone {
  zone: string;
  /** Null: never again. */
  opensAtMs: number | null;
}

/** The zones of the audience in which nobody may be sent to at this moment. */
export function closedZones({ plan }: Schedule, atMs: number): ClosedZone[] {
  const { sendWindow, quietHours, timeZones } = plan;
  if (sendWindow === null && quietHours === null) return [];
  return timeZones
    .map((zone) => ({ zone, opensAtMs: nextAllowed(atMs, zone, sendWindow, quietHours) }))
    .filter(({ opensAtMs }) => opensAtMs !== atMs);
}

/**
 * What closes zones at this moment: the company's quiet hours, unless the campaign's own window closes one of them as
 * well; `send_window` where nothing is closed any more.
 */
export function closedBy(schedule: Schedule, atMs: number): 'send_window' | 'quiet_hours' {
  const { sendWindow } = schedule.plan;
  const closed = closedZones(schedule, atMs);
  const isInWindow = closed.every(({ zone }) => nextAllowed(atMs, zone, sendWindow, null) === atMs);
  return closed.length > 0 && isInWindow ? 'quiet_hours' : 'send_window';
}

const MINUTE_MS = 60_000;

/**
 * For how long calls of people who are marked now may begin: the lease, or less where the deadline or the end of a
 * window comes first. The whole lease once the deadline has passed, for then nobody is marked.
 */
export function callableForMs(schedule: Schedule, nowMs: number, leaseMs: number): number {
  const { sendUntilMs } = schedule;
  let endMs = nowMs + leaseMs;
  if (sendUntilMs !== null && sendUntilMs > nowMs) endMs = Math.min(endMs, sendUntilMs);
  const closedNow = new Set(closedZones(schedule, nowMs).map(({ zone }) => zone));
  // Windows end on whole minutes, and a lease is shorter than one.
  if (closedZones(schedule, endMs).some(({ zone }) => !closedNow.has(zone)))
    endMs = Math.floor(endMs / MINUTE_MS) * MINUTE_MS;
  return endMs - nowMs;
}

/**
 * From when on a message may be repeated: a repeat is a send, and whose zone a row is in is not known here, so all of
 * them have to be open. Null when none is allowed any more.
 */
export function repeatableFromMs(schedule: Schedule, nowMs: number): number | null {
  let fromMs = nowMs;
  for (const { opensAtMs } of closedZones(schedule, nowMs)) {
    if (opensAtMs === null) return null;
    fromMs = Math.max(fromMs, opensAtMs);
  }
  const { sendUntilMs } = schedule;
  return sendUntilMs !== null && fromMs >= sendUntilMs ? null : fromMs;
}
