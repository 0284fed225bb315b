import type { Throttle } from './campaign-plans';
import { RegenteError, type FieldError } from './errors';
import { nextAllowed, type QuietHours, type SendWindow } from './send-windows';

export const THROTTLING_TYPES = ['none', 'fixed', 'random'] as const;
export type ThrottlingType = (typeof THROTTLING_TYPES)[number];

/** What happens to a campaign whose wallet has no money left: it waits for more, or it ends. */
export const BUDGET_POLICIES = ['pause', 'fail'] as const;
export type BudgetPolicy = (typeof BUDGET_POLICIES)[number];

/** Seconds between two consecutive messages of the whole campaign; a random pause lies between the two. */
export interface ThrottlingConfig {
  delayLimit?: number | undefined;
  maxRandom?: number | undefined;
}

/** The fields of a campaign that must agree with each other, whichever of them were written last. */
export interface CampaignSettings {
  throttlingType: ThrottlingType;
  throttlingConfig: ThrottlingConfig | null;
  scheduledAt: Date | null;
  sendUntil: Date | null;
  sendWindow: SendWindow | null;
}

/** Throws VALIDATION with a pointer to each field that does not fit the others. */
export function checkSettings(settings: CampaignSettings): void {
  const fields = [...throttlingErrors(settings), ...scheduleErrors(settings)];
  if (fields.length > 0) {
    throw new RegenteError('VALIDATION', 'The fields of this campaign do not agree.', { fields });
  }
}

function throttlingErrors({ throttlingType, throttlingConfig }: CampaignSettings): FieldError[] {
  if (throttlingType === 'none') return [];
  const { delayLimit, maxRandom } = throttlingConfig ?? {};
  const fields: FieldError[] = [];
  if (delayLimit === undefined) {
    const detail = `is needed with throttlingType ${throttlingType}`;
    fields.push({ pointer: '/throttlingConfig/delayLimit', detail });
  }
  if (throttlingType === 'random' && maxRandom === undefined) {
    const detail = 'is needed with throttlingType random';
    fields.push({ pointer: '/throttlingConfig/maxRandom', detail });
  }
  if (delayLimit !== undefined && maxRandom !== undefined && maxRandom < delayLimit) {
    fields.push({
      pointer: '/throttlingConfig/maxRandom',
      detail: `must not be below delayLimit, which is ${delayLimit}`,
    });
  }
  return fields;
}

function scheduleErrors({ scheduledAt, sendUntil, sendWindow }: CampaignSettings): FieldError[] {
  const fields: FieldError[] = [];
  if (scheduledAt !== null && sendUntil !== null && sendUntil <= scheduledAt)
    fields.push({ pointer: '/sendUntil', detail: 'must be after scheduledAt' });
  if (sendWindow !== null && new Set(sendWindow.days).size < sendWindow.days.length)
    fields.push({ pointer: '/sendWindow/days', detail: 'names a day twice' });
  return fields;
}

/** Slow clocks and slow people are forgiven this much. */
const LATE_MS = 60_000;

/** A beginning further ahead than a year is a slip in the year, and would wait for ever. */
const AHEAD_MS = 366 * 24 * 3_600_000;

/** What is wrong with a beginning that somebody asks for now; nothing when it is still to come, within a year. */
export function startProblems(scheduledAt: Date | null | undefined, nowMs: number): FieldError[] {
  if (scheduledAt === null || scheduledAt === undefined) return [];
  const pointer = '/scheduledAt';
  if (scheduledAt.getTime() < nowMs - LATE_MS)
    return [{ pointer, detail: 'has passed; null begins as soon as it is approved' }];
  if (scheduledAt.getTime() <= nowMs + AHEAD_MS) return [];
  return [{ pointer, detail: 'is more than a year ahead; look at its year, or schedule it later' }];
}

/** Throws VALIDATION for a moment that cannot be meant: one that has passed, or a beginning more than a year ahead. */
export function refuseMoments(
  { scheduledAt, sendUntil }: { scheduledAt?: Date | null; sendUntil?: Date | null },
  nowMs: number,
): void {
  const fields = startProblems(scheduledAt, nowMs);
  if (sendUntil !== null && sendUntil !== undefined && sendUntil.getTime() < nowMs - LATE_MS)
    fields.push({ pointer: '/sendUntil', detail: 'has passed; null sends to the last person' });
  const [first] = fields;
  if (first === undefined) return;
  const message = fields.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}.`).join(' ');
  throw new RegenteError('VALIDATION', message, { fields });
}

/** The pace as the dispatch keeps it. Takes settings that `checkSettings` has passed. */
export function throttleOf(type: ThrottlingType, config: ThrottlingConfig | null): Throttle {
  const minDelayMs = Math.round((config?.delayLimit ?? 0) * 1_000);
  switch (type) {
    case 'none':
      return { type };
    case 'fixed':
      return { type, delayMs: minDelayMs };
    case 'random':
      return { type, minDelayMs, maxDelayMs: Math.round((config?.maxRandom ?? 0) * 1_000) };
  }
}

export interface SendingTimes {
  scheduledAt: Date | null;
  sendUntil: Date | null;
  sendWindow: SendWindow | null;
  quietHours: QuietHours | null;
  /** Of the audience. */
  timeZones: readonly string[];
}

/** Why nobody could be sent to with these times; nothing when somebody can. */
export function timeProblems(times: SendingTimes, nowMs: number): FieldError[] {
  const { scheduledAt, sendUntil, sendWindow, quietHours, timeZones } = times;
  if (sendUntil !== null && sendUntil.getTime() <= nowMs)
    return [{ pointer: '/sendUntil', detail: 'has passed' }];
  const startMs = Math.max(nowMs, scheduledAt?.getTime() ?? 0);
  const opens = timeZones.map((zone) => nextAllowed(startMs, zone, sendWindow, quietHours));
  if (opens.some((at) => at !== null && at <= (sendUntil?.getTime() ?? Infinity))) return [];
  return opens.every((at) => at === null)
    ? [{ pointer: '/sendWindow', detail: 'lies wholly in the quiet hours of the company' }]
    : [{ pointer: '/sendWindow', detail: 'does not open before sendUntil' }];
}
