import { messageReference } from '../domain/communications';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { countStates, createScene } from './support/executions';
import { budgetOf, ledger, startRace } from './support/races';
import { closedForAnHour, openWorkshop, shown, type Workshop } from './support/turns';
import { until } from './support/until';

let shop: Workshop;
jest.setTimeout(30_000);
beforeAll(async () => {
  shop = await openWorkshop();
});
beforeEach(() => shop.sandbox.reset());
afterEach(() => expectBooksAgree(shop));
afterAll(() => shop.drop());

/** A vendor that keeps no keys and answers no look-up: silence is `unknown`. */
const DEAF = { idempotency: false, lookup: false };
const fault = (number: string): string => `+55119999900${number}`;

describe('what is shown while nothing is sent', () => {
  test('a vendor that is not there is "provider down", and the reason goes when it is back', async () => {
    const race = await startRace(shop, { recipients: 5 });
    shop.sandbox.configure({ outage: 'unavailable' });
    expect(await shop.turns(race)).toMatchObject({ kind: 'waiting', reason: 'provider_down' });
    expect((await shown(shop, race)).waiting).toBe('provider_down');
    shop.sandbox.configure({ outage: 'none' });
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 5 });
    expect((await shown(shop, race)).waiting).toBeNull();
  });

  test('a vendor that is asked too often is "rate limit"', async () => {
    const race = await startRace(shop, { recipients: 5 });
    shop.sandbox.configure({ rates: { rateLimited: 1 } });
    expect(await shop.turns(race)).toMatchObject({ kind: 'waiting', reason: 'rate_limit' });
    expect((await shown(shop, race)).waiting).toBe('rate_limit');
    shop.sandbox.configure({ rates: { rateLimited: 0 } });
    await shop.workOff(race);
  });

  test('people in quiet hours are "quiet hours", also when another lane ends last', async () => {
    const quietHours = { start: '00:00', end: '24:00' };
    const race = await startRace(shop, {
      recipients: 20,
      lanes: 2,
      batchSize: 10,
      sendUntil: new Date(Date.now() + 86_400_000),
      plan: { quietHours, timeZones: ['America/Sao_Paulo'] },
    });
    await query(
      shop.adminUrl,
      `UPDATE campaign_executions SET send_until = NULL, plan = jsonb_set(plan, '{quietHours}', $2) WHERE id = $1`,
      [race.executionId, JSON.stringify(closedForAnHour())],
    );
    await query(
      shop.adminUrl,
      `UPDATE campaign_recipients r SET time_zone = 'Asia/Tokyo' FROM campaign_executions e
       WHERE e.id = $1 AND r.audience_id = e.audience_id AND r.position >= 10`,
      [race.executionId],
    );
    expect(await shop.turns(race, 0)).toMatchObject({ kind: 'waiting', reason: null });
    expect(await shop.turns(race, 1)).toEqual({ kind: 'done' });
    expect((await shown(shop, race)).waiting).toBe('quiet_hours');
  });
});

describe('a vendor that answers nothing', () => {
  test('costs as few people their fate as it takes to notice, however long it lasts', async () => {
    const scene = await createScene(shop, { config: DEAF });
    const race = await startRace(shop, { recipients: 300, batchSize: 300 }, scene);
    shop.sandbox.configure({ outage: 'hang' });
    for (let turns = 0; turns < 4; turns += 1) await shop.turns(race);
    const { unknown = 0 } = await countStates(shop, race.executionId);
    // Two micro-batches of 50 are under way when the first is found out; then one by one.
    expect(unknown).toBeGreaterThan(0);
    expect(unknown).toBeLessThanOrEqual(110);
    shop.sandbox.configure({ outage: 'none' });
    await shop.workOff(race);
    const states = await countStates(shop, race.executionId);
    expect(states).toEqual({ unknown: states.unknown, sent: 300 - states.unknown! });
    expect(shop.sandbox.totals().duplicated).toBe(0);
  });

  test('holds up for a second at first, however many calls it strikes at once', async () => {
    const race = await startRace(shop, { recipients: 40, batchSize: 10, lanes: 4 });
    shop.sandbox.configure({ outage: 'hang' });
    const lanes = Array.from({ length: 4 }, (_, lane) => shop.turns(race, lane));
    const waits = await Promise.all(lanes);
    for (const end of waits)
      expect(end).toMatchObject({ kind: 'waiting', reason: 'provider_down' });
    const longest = Math.max(...waits.map((end) => ('waitMs' in end ? end.waitMs : Infinity)));
    expect(longest).toBeLessThanOrEqual(2_000);
  });

  test('about one person does not keep a lane from its other batches', async () => {
    const config = { idempotency: false, lookup: true, lookupSettlesMs: 4_000 };
    const race = await startRace(
      shop,
      { recipients: 30, batchSize: 10, addresses: [fault('05')] },
      await createScene(shop, { config }),
    );
    const end = await shop.turns(race);
    expect(end).toMatchObject({ kind: 'waiting', reason: 'reconcile' });
    expect(await countStates(shop, race.executionId)).toEqual({ sending: 1, sent: 29 });
    expect((await shown(shop, race)).waiting).toBe('reconcile');
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 30 });
    expect(shop.sandbox.totals().duplicated).toBe(0);
  });

  test('is not taken for a "no" before its look-up can know: nobody is sent to twice', async () => {
    const config = { idempotency: false, lookup: true, lookupSettlesMs: 600 };
    const scene = await createScene(shop, { config });
    shop.sandbox.configure({
      settleMs: 600,
      idempotency: 'off',
      latency: { kind: 'fixed', ms: 300 },
    });
    const race = await startRace(
      shop,
      { recipients: 6, addresses: ['07', '10', '06'].map(fault) },
      scene,
    );
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 6 });
    expect(shop.sandbox.totals()).toMatchObject({ accepted: 6, duplicated: 0 });
  });
});

describe('a key that stands for another message', () => {
  test('is unknown at once, instead of being asked again for ever', async () => {
    const race = await startRace(shop, { recipients: 3 });
    const reference = messageReference({
      ledgerMonth: `${new Date().toISOString().slice(0, 7)}-01`,
      sourceId: race.executionId,
      position: 1,
      step: 0,
      channel: 'sms',
    });
    await fetch(`${shop.sandbox.url}/v1/messages`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer sandbox-token',
        'content-type': 'application/json',
        'idempotency-key': reference,
      },
      body: JSON.stringify({
        reference,
        channel: 'sms',
        to: '+5511912345678',
        body: 'Outra coisa',
      }),
    });
    await shop.workOff(race);
    const rows = await ledger(shop, race);
    expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
      ['sent', null],
      ['unknown', 'key_reused'],
      ['sent', null],
    ]);
  });
});

describe('money', () => {
  test('that runs out pauses with that reason, once, though several lanes notice', async () => {
    const scene = await createScene(shop, { budget: '0.5' });
    const race = await startRace(shop, { recipients: 40, lanes: 2, batchSize: 10 }, scene);
    await Promise.all([shop.turns(race, 0), shop.turns(race, 1)]);
    await until('somebody has noticed', async () => {
      await Promise.all([shop.turns(race, 0), shop.turns(race, 1)]);
      return (await shown(shop, race)).state === 'PAUSING';
    });
    expect(await shown(shop, race)).toMatchObject({ reason: 'budget_exhausted' });
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 10 });
    expect(await budgetOf(shop, scene)).toEqual({ budget: 0.5, used: 0.5, reserved: 0 });
  });

  test('that runs out fails a campaign that was made so', async () => {
    const scene = await createScene(shop, { budget: '0.1' });
    const race = await startRace(shop, { recipients: 4, onBudgetExhausted: 'fail' }, scene);
    expect(await shop.turns(race)).toEqual({ kind: 'stopped' });
    expect(await shown(shop, race)).toMatchObject({ state: 'FAILING', reason: 'budget_exhausted' });
  });
});

test('a row that the database cannot take is found by halving and skipped, and everybody else is sent', async () => {
  const race = await startRace(shop, { recipients: 60, addresses: ['+5511911110000'] });
  await query(
    shop.adminUrl,
    `CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF NEW.position % 29 = 7 AND NEW.state <> 'skipped' THEN
         RAISE EXCEPTION 'no' USING ERRCODE = '22P02';
       END IF;
       RETURN NEW;
     END $$;
     CREATE TRIGGER refuse_some BEFORE INSERT ON communications FOR EACH ROW EXECUTE FUNCTION refuse_some()`,
  );
  try {
    await shop.workOff(race);
  } finally {
    await query(shop.adminUrl, 'DROP TRIGGER refuse_some ON communications');
  }
  expect(await countStates(shop, race.executionId)).toEqual({ sent: 58, skipped: 2 });
  const bad = (await ledger(shop, race)).filter(({ reason }) => reason === 'bad_row');
  expect(bad.map(({ position }) => position)).toEqual([7, 36]);
});

test('a turn that is asked to end does so between two micro-batches and leaves nobody in the air', async () => {
  const race = await startRace(shop, { recipients: 400, batchSize: 400 });
  shop.sandbox.configure({ latency: { kind: 'fixed', ms: 50 } });
  const end = await shop.turn(race, 0, () => shop.sandbox.totals().messages >= 100);
  expect(end).toMatchObject({ kind: 'more' });
  const { sending = 0, sent = 0 } = await countStates(shop, race.executionId);
  expect(sending).toBe(0);
  expect(sent).toBeLessThan(400);
  expect(await budgetOf(shop, race.scene)).toMatchObject({ reserved: 0 });
});
