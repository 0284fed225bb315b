import { createCallFlow } from '../activities/call-flow';
import { query } from './support/database';
import { countStates, createScene } from './support/executions';
import { startRace } from './support/races';
import { openWorkshop, type Workshop } from './support/turns';

jest.setTimeout(30_000);

describe('what a process hands to a vendor at once', () => {
  const clock = { nowMs: 0 };
  const flow = (atOnce: number) => createCallFlow(atOnce, () => clock.nowMs);

  test('is what its connections carry, until it has seen how fast the vendor is', () => {
    const { room, begin } = flow(64);
    expect(room(2_000)).toBe(64);
    begin(64);
    expect(room(2_000)).toBe(0);
  });

  test('grows with the speed that it sees, and is full when that much is under way', () => {
    const { room, begin } = flow(10);
    const ended = begin(10);
    clock.nowMs += 20;
    ended(10);
    expect(room(2_000)).toBe(1_000);
    begin(400);
    expect(room(2_000)).toBe(600);
  });

  test('counts the queue that a message stood in', () => {
    const { room, begin } = flow(10);
    begin(90);
    const ended = begin(10);
    clock.nowMs += 100;
    ended(10);
    expect(room(200)).toBe(200 - 90);
  });

  test('is counted with what is under way where the whole of it is asked for', () => {
    const { window, begin } = flow(10);
    const ended = begin(10);
    clock.nowMs += 20;
    ended(10);
    begin(400);
    expect(window(2_000)).toBe(1_000);
  });

  test('does not grow by the speed at which messages are turned away', () => {
    const { room, begin } = flow(10);
    const ended = begin(10);
    clock.nowMs += 1;
    ended(0);
    begin(0)(0);
    expect(room(2_000)).toBe(10);
    const half = begin(10);
    clock.nowMs += 100;
    half(5);
    expect(room(2_000)).toBe(100);
  });

  test('never falls below its connections, however slow the vendor is', () => {
    const { room, begin } = flow(10);
    const ended = begin(10);
    clock.nowMs += 60_000;
    ended(10);
    expect(room(2_000)).toBe(10);
  });
});

describe('a vendor with two connections and a slow answer', () => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await openWorkshop();
  });
  afterAll(() => shop.drop());

  test('is sent each message at the first mark: nobody is marked whose call cannot begin in time', async () => {
    shop.sandbox.configure({ latency: { kind: 'fixed', ms: 60 } });
    const scene = await createScene(shop, { config: { connections: 2 } });
    const race = await startRace(shop, { recipients: 50 }, scene);
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 50 });
    const [{ tries } = { tries: 0 }] = await query<{ tries: number }>(
      shop.adminUrl,
      'SELECT max(tries) AS tries FROM communications WHERE source_id = $1',
      [race.executionId],
    );
    expect(tries).toBe(1);
  });

  test('has a short queue, marked in parts, so that a pause is soon silent', async () => {
    shop.sandbox.configure({ latency: { kind: 'fixed', ms: 100 } });
    const scene = await createScene(shop, { config: { connections: 4 } });
    const race = await startRace(shop, { recipients: 80 }, scene);
    await shop.workOff(race);
    const [{ largest } = { largest: 0 }] = await query<{ largest: number }>(
      shop.adminUrl,
      'SELECT max(n)::int AS largest FROM (SELECT count(*) AS n FROM communications WHERE source_id = $1 GROUP BY mark_id) m',
      [race.executionId],
    );
    // Four connections begin 24 calls in 600 ms, of which a quarter is marked at once.
    expect(largest).toBeGreaterThan(1);
    expect(largest).toBeLessThanOrEqual(7);
  });
});
