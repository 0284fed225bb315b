import { RegenteError } from '../domain/errors';
import { nextAllowed, type QuietHours, type SendWindow } from '../domain/send-windows';

const WEEKDAYS = [1, 2, 3, 4, 5];
const ALL = [1, 2, 3, 4, 5, 6, 7];
const utc = (text: string) => Date.parse(text);
const next = (
  now: string,
  zone: string,
  window: SendWindow | null,
  quiet: QuietHours | null = null,
) => {
  const at = nextAllowed(utc(now), zone, window, quiet);
  return at === null ? null : new Date(at).toISOString().replace('.000Z', 'Z');
};

describe('in São Paulo, which has had no summer time since 2019', () => {
  const business: SendWindow = { days: WEEKDAYS, start: '09:00', end: '18:00' };

  test.each([
    ['inside', '2026-11-20T15:30:00Z', '2026-11-20T15:30:00Z'],
    ['at the first minute', '2026-11-20T12:00:00Z', '2026-11-20T12:00:00Z'],
    ['a second before', '2026-11-20T11:59:59Z', '2026-11-20T12:00:00Z'],
    ['in the last second', '2026-11-19T20:59:59Z', '2026-11-19T20:59:59Z'],
    ['at the end', '2026-11-19T21:00:00Z', '2026-11-20T12:00:00Z'],
    ['on Friday night', '2026-11-21T01:00:00Z', '2026-11-23T12:00:00Z'],
    ['on Sunday', '2026-11-22T15:00:00Z', '2026-11-23T12:00:00Z'],
    ['in the month that used to have summer time', '2026-01-12T11:30:00Z', '2026-01-12T12:00:00Z'],
  ])('%s', (_when, now, expected) => {
    expect(next(now, 'America/Sao_Paulo', business)).toBe(expected);
  });

  test('lets everything pass without a window and quiet hours', () => {
    expect(next('2026-11-22T03:00:00Z', 'America/Sao_Paulo', null)).toBe('2026-11-22T03:00:00Z');
  });

  test('wraps midnight, and the day is the one on which the window began', () => {
    const night: SendWindow = { days: [5], start: '22:00', end: '02:00' };
    expect(next('2026-11-21T04:59:00Z', 'America/Sao_Paulo', night)).toBe('2026-11-21T04:59:00Z');
    expect(next('2026-11-21T05:00:00Z', 'America/Sao_Paulo', night)).toBe('2026-11-28T01:00:00Z');
    expect(next('2026-11-20T04:00:00Z', 'America/Sao_Paulo', night)).toBe('2026-11-21T01:00:00Z');
  });

  test('keeps quiet hours, across midnight and inside a window', () => {
    const quiet: QuietHours = { start: '20:00', end: '08:00' };
    expect(next('2026-11-20T23:00:00Z', 'America/Sao_Paulo', null, quiet)).toBe(
      '2026-11-21T11:00:00Z',
    );
    expect(next('2026-11-20T22:59:59Z', 'America/Sao_Paulo', null, quiet)).toBe(
      '2026-11-20T22:59:59Z',
    );
    const lunch: QuietHours = { start: '12:00', end: '13:00' };
    expect(next('2026-11-20T15:10:00Z', 'America/Sao_Paulo', business, lunch)).toBe(
      '2026-11-20T16:00:00Z',
    );
  });

  test('takes equal times for a whole day of window and for no quiet hours', () => {
    const day: SendWindow = { days: [7], start: '06:00', end: '06:00' };
    expect(next('2026-11-23T08:59:00Z', 'America/Sao_Paulo', day)).toBe('2026-11-23T08:59:00Z');
    expect(next('2026-11-23T09:00:00Z', 'America/Sao_Paulo', day)).toBe('2026-11-29T09:00:00Z');
    const none: QuietHours = { start: '06:00', end: '06:00' };
    expect(next('2026-11-23T09:00:00Z', 'America/Sao_Paulo', null, none)).toBe(
      '2026-11-23T09:00:00Z',
    );
  });

  test('ends at 24:00 when asked to', () => {
    const sunday: SendWindow = { days: [7], start: '00:00', end: '24:00' };
    expect(next('2026-11-23T02:59:00Z', 'America/Sao_Paulo', sunday)).toBe('2026-11-23T02:59:00Z');
    expect(next('2026-11-23T03:00:00Z', 'America/Sao_Paulo', sunday)).toBe('2026-11-29T03:00:00Z');
  });

  test('says never when no day is named or quiet hours cover the window', () => {
    expect(next('2026-11-20T15:00:00Z', 'America/Sao_Paulo', { ...business, days: [] })).toBeNull();
    const quiet: QuietHours = { start: '09:00', end: '18:00' };
    expect(next('2026-11-20T11:00:00Z', 'America/Sao_Paulo', business, quiet)).toBeNull();
  });
});

describe('when the clock jumps forward', () => {
  test('opens at the jump when the start lies in the hour that is skipped', () => {
    const early: SendWindow = { days: ALL, start: '02:30', end: '05:00' };
    // New York, 8 March 2026: 01:59:59 EST is followed by 03:00 EDT at 07:00 UTC.
    expect(next('2026-03-08T06:00:00Z', 'America/New_York', early)).toBe('2026-03-08T07:00:00Z');
    // Lisbon, 29 March 2026: 01:00 WET becomes 02:00 WEST at 01:00 UTC.
    const lisbon: SendWindow = { days: ALL, start: '01:15', end: '03:00' };
    expect(next('2026-03-29T00:10:00Z', 'Europe/Lisbon', lisbon)).toBe('2026-03-29T01:00:00Z');
  });

  test('opens at the first instant of a day that has no midnight', () => {
    // Santiago, 6 September 2026: Saturday 23:59:59 is followed by Sunday 01:00, at 04:00 UTC.
    const sunday: SendWindow = { days: [7], start: '00:00', end: '12:00' };
    expect(next('2026-09-06T03:30:00Z', 'America/Santiago', sunday)).toBe('2026-09-06T04:00:00Z');
  });

  test('waits for the next week when the whole window is skipped', () => {
    const gone: SendWindow = { days: [7], start: '02:00', end: '02:45' };
    expect(next('2026-03-08T05:00:00Z', 'America/New_York', gone)).toBe('2026-03-15T06:00:00Z');
  });
});

describe('when the clock is put back', () => {
  // New York, 1 November 2026: 01:59:59 EDT is followed by 01:00 EST at 06:00 UTC.
  const window: SendWindow = { days: ALL, start: '01:30', end: '01:45' };

  test('is open in both of the repeated hours', () => {
    expect(next('2026-11-01T05:00:00Z', 'America/New_York', window)).toBe('2026-11-01T05:30:00Z');
    expect(next('2026-11-01T05:45:00Z', 'America/New_York', window)).toBe('2026-11-01T06:30:00Z');
    expect(next('2026-11-01T06:45:00Z', 'America/New_York', window)).toBe('2026-11-02T06:30:00Z');
  });

  test('ends quiet hours at the first instant that the wall clock shows', () => {
    const quiet: QuietHours = { start: '22:00', end: '01:30' };
    expect(next('2026-11-01T04:00:00Z', 'America/New_York', null, quiet)).toBe(
      '2026-11-01T05:30:00Z',
    );
    // In the repeated hour the clock shows a quiet time once more.
    expect(next('2026-11-01T06:10:00Z', 'America/New_York', null, quiet)).toBe(
      '2026-11-01T06:30:00Z',
    );
  });
});

describe('against a clock that is read minute by minute', () => {
  const cases: [string, string][] = [
    ['America/New_York', '2026-03-05T00:00:00Z'],
    ['America/New_York', '2026-10-29T00:00:00Z'],
    ['Europe/Lisbon', '2026-03-26T00:00:00Z'],
    ['Europe/Lisbon', '2026-10-22T00:00:00Z'],
    ['America/Santiago', '2026-04-02T00:00:00Z'],
    ['America/Santiago', '2026-09-03T00:00:00Z'],
    ['America/Havana', '2026-10-29T00:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-02T00:00:00Z'],
    ['America/Sao_Paulo', '2026-11-20T00:00:00Z'],
    ['Asia/Kathmandu', '2026-11-20T00:00:00Z'],
  ];
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const time = () =>
    `${String(random(6) === 0 ? random(24) : random(5)).padStart(2, '0')}:${['00', '15', '30', '45'][random(4)]}`;

  test.each(cases)('finds the same instant in %s after %s', (zone, from) => {
    const minutes = 18 * 1440;
    const clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    const names = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
    const walls = Array.from({ length: minutes }, (_, i) => {
      const [day, hm] = clock.format(utc(from) + i * 60_000).split(/[, ]+/);
      return { day: names.indexOf(day!) + 1, hm: hm! };
    });
    const open = (i: number, window: SendWindow, quiet: QuietHours | null) => {
      const { day, hm } = walls[i]!;
      const wraps = window.end <= window.start;
      const begun = window.days.includes(day) && hm >= window.start && (wraps || hm < window.end);
      const fromDayBefore =
        wraps && window.days.includes(day === 1 ? 7 : day - 1) && hm < window.end;
      const inQuiet =
        quiet !== null &&
        (quiet.start <= quiet.end
          ? hm >= quiet.start && hm < quiet.end
          : hm >= quiet.start || hm < quiet.end);
      return (begun || fromDayBefore) && !inQuiet;
    };
    for (let round = 0; round < 150; round++) {
      const window: SendWindow = {
        days: ALL.filter(() => random(3) > 0),
        start: time(),
        end: time(),
      };
      const quiet: QuietHours | null = random(2) === 0 ? { start: time(), end: time() } : null;
      const begin = random(7 * 1440);
      let expected = begin;
      while (expected < minutes && !open(expected, window, quiet)) expected++;
      if (expected >= begin + 10 * 1440) continue;
      const found = nextAllowed(utc(from) + begin * 60_000, zone, window, quiet);
      const label = JSON.stringify({ window, quiet, begin });
      expect([label, found]).toEqual([label, utc(from) + expected * 60_000]);
    }
  });
});

describe('bad input', () => {
  test.each([
    ['Brazil/Nowhere', '09:00'],
    ['America/Sao_Paulo', '9:00'],
    ['America/Sao_Paulo', '24:01'],
    ['America/Sao_Paulo', '12:60'],
  ])('is refused: %s %s', (zone, start) => {
    expect(() => nextAllowed(0, zone, { days: ALL, start, end: '23:00' }, null)).toThrow(
      RegenteError,
    );
  });
});
