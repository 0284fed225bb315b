import { callableForMs, closedBy, repeatableFromMs } from '../activities/dispatch/send-time';
import type { CampaignPlan } from '../domain/campaign-plans';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { countStates, createScene } from './support/executions';
import { startRace } from './support/races';
import { closedForAnHour, openWorkshop, shown, type Workshop } from './support/turns';
import { until } from './support/until';

const ZONES = ['America/Sao_Paulo', 'America/Manaus'];
const at = (time: string): number => Date.parse(`2026-11-20T${time}-03:00`);
const schedule = (plan: Partial<CampaignPlan>, sendUntil?: string) => ({
  plan: { sendWindow: null, quietHours: null, timeZones: ZONES, ...plan } as CampaignPlan,
  sendUntilMs: sendUntil === undefined ? null : at(sendUntil),
});
const DAY = { sendWindow: { days: [1, 2, 3, 4, 5], start: '08:00', end: '20:00' } };

describe('the calls of a mark', () => {
  test.each([
    ['begin within the lease', {}, undefined, '12:00:00.000', 4_000],
    ['begin before the deadline', {}, '12:00:01.500', '12:00:00.000', 1_500],
    ['have their lease once the deadline has passed', {}, '11:59:59.000', '12:00:00.000', 4_000],
    ['begin before the first zone closes', DAY, undefined, '19:59:58.800', 1_200],
    ['of the other zone begin before it closes too', DAY, undefined, '20:59:57.000', 3_000],
    ['have their lease while nothing closes', DAY, undefined, '20:30:00.000', 4_000],
    ['have their lease when a zone opens', DAY, undefined, '07:59:59.000', 4_000],
    [
      'begin before the quiet',
      { quietHours: { start: '22:00', end: '07:00' } },
      undefined,
      '21:59:59.900',
      100,
    ],
  ])('%s', (_, plan, sendUntil, now, ms) => {
    expect(callableForMs(schedule(plan, sendUntil), at(now), 4_000)).toBe(ms);
  });
});

describe('a repeat is a send', () => {
  test.each([
    ['now, where nothing is closed', {}, undefined, '23:00:00', '23:00:00'],
    ['now, within the window of every zone', DAY, undefined, '12:00:00', '12:00:00'],
    ['when the last zone opens', DAY, undefined, '07:30:00', '09:00:00'],
    ['never, past the deadline', {}, '11:00:00', '12:00:00', null],
    ['never, where the deadline comes before the window', DAY, '08:30:00', '07:30:00', null],
  ])('%s', (_, plan, sendUntil, now, expected) => {
    const from = repeatableFromMs(schedule(plan, sendUntil), at(now));
    expect(from).toBe(expected === null ? null : at(expected));
  });
});

describe('people who are not sent to at this hour wait', () => {
  const QUIET = { quietHours: { start: '20:00', end: '10:00' } };
  test.each([
    ['for the window', DAY, '07:00:00', 'send_window'],
    ['for the end of the quiet hours', QUIET, '07:00:00', 'quiet_hours'],
    [
      'for the end of the quiet hours within the window',
      { ...DAY, ...QUIET },
      '09:30:00',
      'quiet_hours',
    ],
    ['for the window, where both forbid it', { ...DAY, ...QUIET }, '07:00:00', 'send_window'],
    [
      'for the window, where it is closed in one zone of two',
      { ...DAY, ...QUIET },
      '08:30:00',
      'send_window',
    ],
  ])('%s', (_, plan, now, reason) => {
    expect(closedBy(schedule(plan), at(now))).toBe(reason);
  });
});

describe('a call that has come to nothing before the window closed', () => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await openWorkshop();
  });
  beforeEach(() => shop.sandbox.reset());
  afterEach(() => expectBooksAgree(shop));
  afterAll(() => shop.drop());

  const setQuiet = (executionId: string, quiet: object | null) =>
    query(
      shop.adminUrl,
      `UPDATE campaign_executions SET plan = jsonb_set(plan, '{quietHours}', $2) WHERE id = $1`,
      [executionId, JSON.stringify(quiet)],
    );

  /** Three people whose calls have ended without an answer, in a zone that is now closed. */
  async function strand(config: Record<string, unknown>) {
    const race = await startRace(shop, { recipients: 3 }, await createScene(shop, { config }));
    shop.sandbox.configure({ rates: { dropBefore: 1 } });
    await shop.turns(race);
    await setQuiet(race.executionId, closedForAnHour());
    shop.sandbox.configure({ rates: { dropBefore: 0 } });
    expect(await countStates(shop, race.executionId)).toEqual({ sending: 3 });
    return { race, called: shop.sandbox.totals().messages };
  }

  test('is not repeated until it opens, where only a repeat can tell', async () => {
    const { race, called } = await strand({ lookup: false });
    const end = await shop.turns(race);
    expect(end).toMatchObject({ kind: 'waiting' });
    expect('waitMs' in end && end.waitMs).toBeGreaterThan(3_000_000);
    expect(shop.sandbox.totals().messages).toBe(called);
    await setQuiet(race.executionId, null);
    const due = 'UPDATE dispatch_batches SET next_due = now() WHERE execution_id = $1';
    await query(shop.adminUrl, due, [race.executionId]);
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 3 });
    expect(shop.sandbox.totals()).toMatchObject({ unique: 3, duplicated: 0 });
  });

  test('is asked about, where the vendor can be asked, and then waits like everybody', async () => {
    const { race, called } = await strand({});
    await until('they wait for the end of the quiet hours', async () => {
      await shop.turns(race);
      return (await shown(shop, race)).waiting === 'quiet_hours';
    });
    expect(await countStates(shop, race.executionId)).toEqual({ queued: 3 });
    expect(shop.sandbox.totals().messages).toBe(called);
  });
});
