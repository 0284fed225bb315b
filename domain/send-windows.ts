import { DateTime } from 'luxon';
import { RegenteError } from './errors';

/** When messages may reach a person, by the clock on that person's wall. */
export interface SendWindow {
  /** ISO weekdays, 1 Monday to 7 Sunday, on which the window begins. */
  days: readonly number[];
  /** `HH:mm`, the first minute. */
  start: string;
  /** `HH:mm`, no longer allowed; `24:00` is the end of the day. Before `start` it lies on the next day; equal means 24 hours. */
  end: string;
}

/** Hours of every day in which nobody is disturbed, `end` not included; `start` equal to `end` means none. */
export interface QuietHours {
  start: string;
  end: string;
}

interface Rules {
  days: ReadonlySet<number>;
  start: number;
  end: number;
  quietStart: number;
  quietEnd: number;
}

const DAY_MINUTES = 1440;
/** Two weeks hold every weekday twice, so that one lost to a clock change is not taken for never. */
const HORIZON_DAYS = 15;
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];

/**
 * The first instant, not before `nowUtcMs`, at which the window and the quiet hours both allow a message.
 *
 * The wall clock decides: a start inside the hour that summer time skips is reached the moment the clock jumps past
 * it, and an hour that the clock repeats is open (or closed) both times.
 * @param zone IANA name; an unknown one throws VALIDATION, and so does a time that is not `HH:mm`
 * @returns UTC milliseconds; `nowUtcMs` itself when allowed; null when no instant ever is
 */
export function nextAllowed(
  nowUtcMs: number,
  zone: string,
  window: SendWindow | null,
  quiet: QuietHours | null,
): number | null {
  if (window === null && quiet === null) return nowUtcMs;
  const rules = rulesOf(window, quiet);
  const now = DateTime.fromMillis(nowUtcMs, { zone });
  if (!now.isValid) {
    throw new RegenteError(
      'VALIDATION',
      `"${zone}" is not a time zone; use a name such as America/Sao_Paulo.`,
    );
  }
  if (isAllowed(now, rules)) return nowUtcMs;
  const midnight = now.startOf('day');
  for (let ahead = 0; ahead <= HORIZON_DAYS; ahead++) {
    const day = midnight.plus({ days: ahead }).startOf('day');
    const found = candidates(day, rules).find(
      (at) => at > nowUtcMs && isAllowed(DateTime.fromMillis(at, { zone }), rules),
    );
    if (found !== undefined) return found;
  }
  return null;
}

function rulesOf(window: SendWindow | null, quiet: QuietHours | null): Rules {
  return {
    days: new Set(window?.days ?? EVERY_DAY),
    start: minutesOf(window?.start ?? '00:00'),
    end: minutesOf(window?.end ?? '24:00'),
    quietStart: minutesOf(quiet?.start ?? '00:00'),
    quietEnd: minutesOf(quiet?.end ?? '00:00'),
  };
}

function minutesOf(time: string): number {
  const match = /^(\d\d):(\d\d)$/.exec(time);
  const minutes = match ? Number(match[1]) * 60 + Number(match[2]) : NaN;
  if (!match || Number(match[2]) > 59 || minutes > DAY_MINUTES) {
    throw new RegenteError('VALIDATION', `"${time}" is not a time of day; write it as 08:00.`);
  }
  return minutes;
}

function isAllowed(local: DateTime, rules: Rules): boolean {
  const minute = local.hour * 60 + local.minute;
  if (isQuiet(minute, rules)) return false;
  const { days, start, end } = rules;
  if (start < end) return days.has(local.weekday) && minute >= start && minute < end;
  const dayBefore = local.weekday === 1 ? 7 : local.weekday - 1;
  return (days.has(local.weekday) && minute >= start) || (days.has(dayBefore) && minute < end);
}

function isQuiet(minute: number, { quietStart, quietEnd }: Rules): boolean {
  return quietStart <= quietEnd
    ? minute >= quietStart && minute < quietEnd
    : minute >= quietStart || minute < quietEnd;
}

/** The instants of one local day at which "not allowed" can turn into "allowed", in order. */
function candidates(day: DateTime, rules: Rules): number[] {
  const instants: number[] = [];
  for (const minute of [0, rules.start, rules.quietEnd]) {
    if (minute === DAY_MINUTES) continue;
    const wall = day.set({ hour: Math.floor(minute / 60), minute: minute % 60 });
    for (const possible of wall.getPossibleOffsets()) instants.push(possible.toMillis());
  }
  const next = day.plus({ days: 1 }).startOf('day');
  const jump = offsetChange(day, next);
  if (jump !== null) instants.push(jump);
  return instants.sort((a, b) => a - b);
}

/** The instant between two midnights at which the zone's offset changes, if it does. */
function offsetChange(from: DateTime, to: DateTime): number | null {
  if (from.offset === to.offset) return null;
  let before = from.toMillis();
  let after = to.toMillis();
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    const offset = DateTime.fromMillis(middle, { zone: from.zone }).offset;
    if (offset === from.offset) before = middle;
    else after = middle;
  }
  return after;
}
