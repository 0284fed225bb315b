import { transitionExecution } from '../prisma/campaign-executions';
import { cancelBatch, closeBatch } from '../prisma/dispatch/batches';
import { markPeople } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { createScene, openTestExecution } from './support/executions';
import {
  accepted,
  claim,
  hold,
  ledger,
  mark,
  markInput,
  move,
  settle,
  startRace,
  statesOf,
  untilBlockedBy,
  type Race,
} from './support/races';
import { openWorkshop, shown, type Workshop } from './support/turns';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => expectBooksAgree(shop));
afterAll(() => shop.drop());

const stateOf = async (race: Race): Promise<string> => (await shown(shop, race)).state;

/** Everybody of a batch is marked and accepted, and the batch closed. */
async function sendAll(race: Race): Promise<void> {
  const batch = await claim(shop.db, race);
  const { markId, positions } = await mark(shop.db, batch);
  await settle(
    shop.db,
    batch,
    markId,
    positions.map((each) => accepted(each)),
  );
  await closeBatch(shop.db, batch, batch);
}

describe('PAUSED', () => {
  test('is answered only when no marked call can begin any more', async () => {
    const race = await startRace(shop, { recipients: 2 });
    const batch = await claim(shop.db, race);
    await mark(shop.db, batch, { leaseMs: 60_000 });
    await move(shop.db, race, 'pause');
    const waitMs = await shop.activities.finishPause(race);
    expect(waitMs).toBeGreaterThan(30_000);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    expect(await stateOf(race)).toBe('PAUSING');
    // As if it had been marked a minute ago.
    await query(
      shop.adminUrl,
      `UPDATE communications SET call_before = call_before - interval '1 minute' WHERE source_id = $1`,
      [race.executionId],
    );
    expect(await shop.activities.finishPause(race)).toBe(0);
    expect(await stateOf(race)).toBe('PAUSED');
    // Its rows remain, and their answers are written down.
    expect(await statesOf(shop, race)).toEqual(['sending', 'sending']);
  });

  test('by somebody who looked before a later pause is refused', async () => {
    const race = await startRace(shop, { recipients: 4 });
    await move(shop.db, race, 'pause');
    const blocker = await hold(shop);
    await blocker.client.query('SELECT pg_advisory_xact_lock(execution_lock($1))', [
      race.executionId,
    ]);
    // It has seen PAUSING and nobody in flight, and now stands still in the middle.
    const zombie = shop.activities.finishPause(race);
    await untilBlockedBy(shop, blocker);
    // The first pause ends, the campaign is resumed and marks, and is paused again. The same lock, the same
    // transaction: what PostgreSQL would let through one by one.
    await query(
      shop.adminUrl,
      `UPDATE campaign_executions SET state = 'PROCESSING', control_version = control_version + 2 WHERE id = $1`,
      [race.executionId],
    );
    await query(
      shop.adminUrl,
      `UPDATE campaign_executions SET state = 'PAUSING', control_version = control_version + 1 WHERE id = $1`,
      [race.executionId],
    );
    await blocker.rollback();
    await zombie;
    expect(await stateOf(race)).toBe('PAUSING');
  });

  test('cannot be left while it is not reached, and a second pause is refused', async () => {
    const race = await startRace(shop, { recipients: 1 });
    await move(shop.db, race, 'pause');
    await expect(move(shop.db, race, 'resume')).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(move(shop.db, race, 'pause')).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test.each([
    ['pause', 'cancel'],
    ['cancel', 'pause'],
  ] as const)(
    'of a %s and a %s at once the cancel wins, and a pause after it is told so',
    async (first, second) => {
      const race = await startRace(shop, { recipients: 1 });
      const blocker = await hold(shop);
      await blocker.client.query('SELECT pg_advisory_xact_lock(execution_lock($1))', [
        race.executionId,
      ]);
      // Whoever waits first gets the lock first.
      const one = move(shop.db, race, first);
      await untilBlockedBy(shop, blocker);
      const other = move(shop.db, race, second).catch((error: unknown) => error);
      await untilBlockedBy(shop, blocker, 2);
      await blocker.rollback();
      await one;
      expect(await other).toMatchObject(
        second === 'pause' ? { code: 'CONFLICT' } : { after: 'CANCELLING' },
      );
      expect(await stateOf(race)).toBe('CANCELLING');
    },
  );
});

describe('the end', () => {
  test('is refused while anybody has no final state, and happens when everybody has', async () => {
    const race = await startRace(shop, { recipients: 2 });
    expect(await shop.activities.finishExecution(race)).toBe(false);
    const batch = await claim(shop.db, race);
    const { markId } = await mark(shop.db, batch);
    await settle(shop.db, batch, markId, [accepted(0)]);
    expect(await shop.activities.finishExecution(race)).toBe(false);
    await settle(shop.db, batch, markId, [accepted(1)]);
    // Everybody is final, but the batch is open and its money not booked.
    expect(await shop.activities.finishExecution(race)).toBe(false);
    await closeBatch(shop.db, batch, batch);
    expect(await shop.activities.finishExecution(race)).toBe(true);
    expect(await stateOf(race)).toBe('FINISHED');
  });

  test('believes the ledger, not the counters', async () => {
    const race = await startRace(shop, { recipients: 2 });
    await sendAll(race);
    const change = (sql: string): Promise<unknown> =>
      query(
        shop.adminUrl,
        `UPDATE communications SET ${sql} WHERE source_id = $1 AND position = 0`,
        [race.executionId],
      );
    await change(`state = 'queued', not_before = now()`);
    expect(await shop.activities.finishExecution(race)).toBe(false);
    await change(`state = 'sent', not_before = NULL`);
    expect(await shop.activities.finishExecution(race)).toBe(true);
  });

  test('is not reached by a campaign that was paused in the same moment', async () => {
    const race = await startRace(shop, { recipients: 1 });
    await sendAll(race);
    await move(shop.db, race, 'pause');
    expect(await shop.activities.finishExecution(race)).toBe(false);
    expect(await stateOf(race)).toBe('PAUSING');
  });

  test('every change of the dispatch itself is in the audit', async () => {
    const race = await startRace(shop, { recipients: 1 });
    await sendAll(race);
    await shop.activities.finishExecution(race);
    const [row] = await query<{ campaign_id: string }>(
      shop.adminUrl,
      'SELECT campaign_id FROM campaign_executions WHERE id = $1',
      [race.executionId],
    );
    const audit = await auditOf(shop.db, race.companyId, row!.campaign_id);
    expect(audit.at(-1)).toMatchObject({ action: 'campaign.finish', actorType: 'system' });
  });
});

describe('a cancel', () => {
  test('fences who is at work and cancels the unreached, but ends only when the called have answered', async () => {
    const race = await startRace(shop, { recipients: 6 });
    const batch = await claim(shop.db, race);
    const { markId } = await mark(shop.db, batch, { limit: 2, leaseMs: 60_000 });
    await move(shop.db, race, 'cancel');
    expect(await markPeople(shop.db, batch, markInput())).toEqual({ outcome: 'stopped' });
    expect(await shop.activities.finishPause(race)).toBe(0);
    expect(await cancelBatch(shop.db, race, 0, 'cancelled')).toMatchObject({
      outcome: 'sending',
      attempt: 2,
    });
    expect(await closeBatch(shop.db, batch, batch)).toBe('fenced');
    await settle(shop.db, batch, markId, [accepted(0), accepted(1)]);
    expect(await cancelBatch(shop.db, race, 0, 'cancelled')).toMatchObject({ outcome: 'closed' });
    expect(await statesOf(shop, race)).toEqual([
      'sent',
      'sent',
      'cancelled',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
  });

  test('touches nobody in a campaign that is not being cancelled', async () => {
    const race = await startRace(shop, { recipients: 2 });
    expect(await cancelBatch(shop.db, race, 0, 'cancelled')).toMatchObject({ outcome: 'stopped' });
    expect(await ledger(shop, race)).toEqual([]);
  });

  test('waits for the lock like every change, so that a mark under way is found', async () => {
    const race = await startRace(shop, { recipients: 2 });
    const batch = await claim(shop.db, race);
    const held = await hold(shop);
    await mark(held.db, batch);
    const cancelling = move(shop.db, race, 'cancel');
    await untilBlockedBy(shop, held);
    await held.commit();
    await cancelling;
    expect(await cancelBatch(shop.db, race, 0, 'cancelled')).toMatchObject({ outcome: 'sending' });
  });
});

test('a change of state and its note to the engine are one: neither without the other', async () => {
  const race = await startRace(shop, { recipients: 1 });
  const notes = async (): Promise<number> => {
    const rows = await query(shop.adminUrl, 'SELECT FROM outbox WHERE subject_id = $1', [
      race.executionId,
    ]);
    return rows.length;
  };
  const before = await notes();
  const failing = withTenant(shop.db, race.companyId, async (tx) => {
    await transitionExecution(tx, { executionId: race.executionId, verb: 'pause' });
    throw new Error('the request was cut');
  });
  await expect(failing).rejects.toThrow('the request was cut');
  expect([await stateOf(race), await notes()]).toEqual(['PROCESSING', before]);
  await move(shop.db, race, 'pause');
  expect([await stateOf(race), await notes()]).toEqual(['PAUSING', before + 1]);
});

test('a change that the root makes itself leaves no note: it reads the state anyway', async () => {
  const scene = await createScene(shop);
  const executionId = await openTestExecution(shop, scene, { recipients: 1 });
  const notes = `SELECT count(*)::int AS left FROM outbox WHERE subject_id = '${executionId}'`;
  const opened = await query(shop.adminUrl, notes);
  await move(shop.db, { companyId: scene.companyId, executionId }, 'start');
  expect(await query(shop.adminUrl, notes)).toEqual(opened);
});

test('an end whose answer was lost is answered the same when it is asked for again', async () => {
  const race = await startRace(shop, { recipients: 2 });
  expect(await shop.activities.finishExecution(race)).toBe(false);
  await shop.workOff(race);
  expect(await shop.activities.finishExecution(race)).toBe(true);
  expect(await shop.activities.finishExecution(race)).toBe(true);
});
