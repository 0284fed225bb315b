import { cancelEverybody } from '../activities/dispatch/cancel';
import { runLaneTurn } from '../activities/dispatch/lane-turn';
import { openDatabase } from '../prisma/client';
import { expectBooksAgree } from './support/books';
import { startCuttingProxy } from './support/cutting-proxy';
import { countStates, createScene } from './support/executions';
import { query } from './support/database';
import { budgetOf, claim, mark, move, startRace } from './support/races';
import { changeAccount, openWorkshop, shown, type Workshop } from './support/turns';
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

describe('a lost answer of the database', () => {
  test.each([
    ['the database answers again at once', 0],
    ['the database is away for longer than five seconds', 5],
  ])(
    'to a mark costs nobody their fate: they are put back and sent, though the vendor cannot be asked, when %s',
    async (_when, callers) => {
      const proxy = await startCuttingProxy(shop.appUrl);
      const db = openDatabase({ url: proxy.url });
      try {
        const race = await startRace(
          shop,
          { recipients: 10 },
          await createScene(shop, { config: DEAF }),
        );
        const deps = { ...shop.another(), db };
        const input = { ...race, lane: 0, fromSeq: 0 };
        proxy.cutAfter('dispatch_mark');
        proxy.turnAwayAfterCut(callers);
        await expect(runLaneTurn(deps, input, () => false)).rejects.toThrow();
        expect(proxy.cuts).toBe(1);
        expect(await countStates(shop, race.executionId)).toEqual({ queued: 10 });
        expect(await runLaneTurn(deps, input, () => false)).toEqual({ kind: 'done' });
        expect(await countStates(shop, race.executionId)).toEqual({ sent: 10 });
        expect(shop.sandbox.totals()).toMatchObject({ accepted: 10, duplicated: 0 });
      } finally {
        await db.close();
        await proxy.close();
      }
    },
  );

  test('to a settle is asked for again, and the money moves once', async () => {
    const proxy = await startCuttingProxy(shop.appUrl);
    const db = openDatabase({ url: proxy.url });
    try {
      const race = await startRace(shop, { recipients: 30 });
      const deps = { ...shop.another(), db };
      proxy.cutAfter('dispatch_settle');
      const end = await runLaneTurn(deps, { ...race, lane: 0, fromSeq: 0 }, () => false);
      expect([end.kind, proxy.cuts]).toEqual(['done', 1]);
      expect(await countStates(shop, race.executionId)).toEqual({ sent: 30 });
      expect(await budgetOf(shop, race.scene)).toMatchObject({ used: 1.5, reserved: 0 });
    } finally {
      await db.close();
      await proxy.close();
    }
  });
});

describe('an account', () => {
  test('whose config is changed while it is in use is opened again, and nobody is lost or held up', async () => {
    const scene = await createScene(shop);
    const race = await startRace(shop, { recipients: 120 }, scene);
    const other = await startRace(shop, { recipients: 1 }, scene);
    shop.sandbox.configure({ latency: { kind: 'fixed', ms: 150 } });
    const turn = shop.turn(race);
    await until('calls are under way', () => shop.sandbox.totals().messages > 0);
    await changeAccount(shop, scene, { connections: 32 });
    // Another turn of the same process opens the new one and closes the old one.
    await shop.turns(other);
    expect((await turn).kind).toBe('more');
    expect((await shown(shop, race)).waiting).toBeNull();
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 120 });
    expect(shop.sandbox.totals()).toMatchObject({ accepted: 121, duplicated: 0 });
  });

  test('that the vendor refuses pauses the campaign, spends nobody, and goes on once it is mended', async () => {
    const scene = await createScene(shop, { config: { token: 'old-token' } });
    const race = await startRace(shop, { recipients: 4 }, scene);
    expect(await shop.turns(race)).toEqual({ kind: 'stopped' });
    expect(await shown(shop, race)).toMatchObject({
      state: 'PAUSING',
      reason: 'credentials_refused',
    });
    await until('paused', async () => (await shop.activities.finishPause(race)) === 0);
    expect(await countStates(shop, race.executionId)).toEqual({ queued: 4 });
    await changeAccount(shop, scene, {});
    await move(shop.db, race, 'resume');
    await shop.workOff(race);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 4 });
  });

  test('whose config cannot be used pauses the campaign with that reason', async () => {
    const scene = await createScene(shop);
    const race = await startRace(shop, { recipients: 2 }, scene);
    await changeAccount(shop, scene, { url: 'not a url' });
    expect(await shop.turns(race)).toEqual({ kind: 'stopped' });
    expect(await shown(shop, race)).toMatchObject({ state: 'PAUSING', reason: 'configuration' });
    expect(await countStates(shop, race.executionId)).toEqual({});
  });

  test('whose callbacks carry our reference costs no row for a vendor id, and any other one row a message', async () => {
    for (const [echoesReference, rows] of [
      [true, 0],
      [false, 3],
    ] as const) {
      const scene = await createScene(shop, { config: { echoesReference } });
      const race = await startRace(shop, { recipients: 3 }, scene);
      await shop.workOff(race);
      const kept = await query(
        shop.adminUrl,
        'SELECT FROM communications c JOIN provider_messages p USING (source_id, position, step) WHERE source_id = $1 AND provider_id = provider_message_id',
        [race.executionId],
      );
      expect(kept).toHaveLength(rows);
    }
  });

  test('that is broken does not keep a cancelled campaign from ending: who was under way is unknown', async () => {
    const scene = await createScene(shop);
    const race = await startRace(shop, { recipients: 3 }, scene);
    await mark(shop.db, await claim(shop.db, race), { limit: 1, leaseMs: 1 });
    await changeAccount(shop, scene, { url: 'not a url' });
    await move(shop.db, race, 'cancel');
    const deps = shop.another({ providerTimeoutMs: 1 });
    await until(
      'everybody has a final state',
      async () => (await cancelEverybody(deps, race)) === 0,
    );
    await move(shop.db, race, 'cancelled');
    expect(await countStates(shop, race.executionId)).toEqual({ unknown: 1, cancelled: 2 });
  });
});
