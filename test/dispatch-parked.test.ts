import { pino } from 'pino';
import { createLaneRunner, type LaneRunner } from '../activities/dispatch/lane-runner';
import type { LaneTurn } from '../activities/dispatch/lane-turn';
import { expectBooksAgree } from './support/books';
import { ok, startCampaignBench } from './support/campaigns';
import { query, withClient } from './support/database';
import { countStates } from './support/executions';
import { startRace, type Race } from './support/races';
import { openWorkshop, shown, type Workshop } from './support/turns';
import { until } from './support/until';

jest.setTimeout(120_000);

/** A database whose function this version does not find, as after a migration that it does not know (SQLSTATE 42883). */
const HIDE = 'ALTER FUNCTION dispatch_mark RENAME TO dispatch_mark_of_another_version';
const SHOW = 'ALTER FUNCTION dispatch_mark_of_another_version RENAME TO dispatch_mark';

interface Line {
  level: number;
  campaignId?: string;
  executionId?: string;
  lane?: number;
  msg: string;
  err?: { type: string; message: string; code?: string };
}
const ERROR = 50;

describe('a lane whose turn fails by a mistake', () => {
  let shop: Workshop;
  let lines: Line[];
  let run: (race: Race, lane?: number) => Promise<LaneTurn>;
  beforeAll(async () => {
    shop = await openWorkshop();
  });
  beforeEach(() => {
    lines = [];
    const logger = pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });
    const runner: LaneRunner = createLaneRunner({ ...shop.another(), logger });
    run = ({ companyId, executionId }, lane = 0) =>
      runner({ companyId, executionId, lane, fromSeq: 0 }, () => false);
  });
  afterEach(() => expectBooksAgree(shop));
  afterAll(() => shop.drop());

  const errors = (): Line[] => lines.filter(({ level }) => level === ERROR);
  const campaignOf = async ({ executionId }: Race): Promise<unknown> =>
    (
      await query(shop.adminUrl, 'SELECT campaign_id FROM campaign_executions WHERE id = $1', [
        executionId,
      ])
    )[0]?.['campaign_id'];
  const parked = { kind: 'waiting', reason: 'internal_error', waitMs: 15_000 };

  test('in SQL is parked and shown, logged once for all lanes, and goes on where it was once that is mended', async () => {
    const race = await startRace(shop, { recipients: 40, lanes: 2, batchSize: 20 });
    await query(shop.adminUrl, HIDE);
    for (const lane of [0, 1, 0, 1]) expect(await run(race, lane)).toMatchObject(parked);
    await query(shop.adminUrl, SHOW);
    expect(await shown(shop, race)).toMatchObject({
      state: 'PROCESSING',
      waiting: 'internal_error',
    });
    expect(errors()).toMatchObject([
      { campaignId: await campaignOf(race), executionId: race.executionId, err: { code: '42883' } },
    ]);
    for (const lane of [0, 1])
      await until('the lane is done', async () => (await run(race, lane)).kind === 'done');
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 40 });
    expect((await shown(shop, race)).waiting).toBeNull();
  });

  test('in our own code is parked too, and a new fault is logged again', async () => {
    const race = await startRace(shop, { recipients: 5 });
    const [{ plan } = {}] = await query(
      shop.adminUrl,
      'SELECT plan FROM campaign_executions WHERE id = $1',
      [race.executionId],
    );
    const setPlan = (value: unknown) =>
      query(shop.adminUrl, 'UPDATE campaign_executions SET plan = $2 WHERE id = $1', [
        race.executionId,
        JSON.stringify(value),
      ]);
    await setPlan({ ...(plan as object), message: null });
    for (let turn = 0; turn < 3; turn += 1) expect(await run(race)).toMatchObject(parked);
    expect(errors()).toMatchObject([{ err: { type: 'TypeError' } }]);
    await setPlan(plan);
    await query(shop.adminUrl, HIDE);
    expect(await run(race)).toMatchObject(parked);
    expect(await run(race)).toMatchObject(parked);
    await query(shop.adminUrl, SHOW);
    expect(errors().map(({ err }) => err?.type)).toEqual(['TypeError', 'DatabaseError']);
    await until('it is done', async () => (await run(race)).kind === 'done');
    // Back again after a good turn: that is news.
    await setPlan({ ...(plan as object), message: null });
    await run(race);
    expect(errors()).toHaveLength(3);
    await setPlan(plan);
  });

  test('is not what a database is that keeps everybody waiting: that passes, and the engine tries again', async () => {
    const race = await startRace(shop, { recipients: 5 });
    await withClient(shop.adminUrl, async (holder) => {
      await holder.query('BEGIN; LOCK TABLE dispatch_batches IN ACCESS EXCLUSIVE MODE');
      await expect(run(race)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await holder.query('ROLLBACK');
    });
    expect(errors()).toEqual([]);
    expect((await shown(shop, race)).waiting).toBeNull();
    await shop.workOff(race);
  });
});

test('GET /v1/campaigns/{id} shows the mistake while it lasts, and the campaign ends once it is mended', async () => {
  const world = await startCampaignBench();
  try {
    const own = await world.campaigner();
    await query(world.bench.adminUrl, HIDE);
    const { id } = await own.approved({ recipients: 30 });
    const waiting = async () =>
      (await ok(own.call('GET', `/${id}`, own.approver))).progress.waiting;
    await until('it is shown', async () => (await waiting())?.reason === 'internal_error');
    expect(await waiting()).toMatchObject({ until: expect.any(String), note: null, by: null });
    await query(world.bench.adminUrl, SHOW);
    const stateOf = async () => (await ok(own.call('GET', `/${id}`, own.approver))).state;
    await until('it is finished', async () => (await stateOf()) === 'FINISHED', 45_000);
    const { progress } = await ok(own.call('GET', `/${id}`, own.approver));
    expect(progress).toMatchObject({ counts: { recipients: 30, sent: 30 }, waiting: null });
  } finally {
    await world.stop();
  }
});
