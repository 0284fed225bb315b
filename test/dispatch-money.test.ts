import { closeBatch } from '../prisma/dispatch/batches';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { createScene } from './support/executions';
import { createRandom } from './support/random';
import {
  accepted,
  budgetOf,
  claim,
  createField,
  hold,
  ledger,
  mark,
  move,
  settle,
  startRace,
  statesOf,
  untilBlockedBy,
  type Claimed,
  type Field,
} from './support/races';
import type { HeldBatch } from '../prisma/dispatch/messages';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

/** Marks and settles everybody whom the batch's money covers, and closes it. */
async function sendBatch(batch: Claimed & HeldBatch): Promise<number> {
  const { markId, positions } = await mark(field.db, batch);
  await settle(
    field.db,
    batch,
    markId,
    positions.map((each) => accepted(each)),
  );
  await closeBatch(field.db, batch, batch);
  return positions.length;
}

const topUp = (budgetId: string, amount: string): Promise<unknown> =>
  query(field.adminUrl, 'UPDATE budgets SET budget = budget + $2::numeric WHERE id = $1', [
    budgetId,
    amount,
  ]);

test('a budget is used down to the last person whom it covers, and no further', async () => {
  const scene = await createScene(field, { budget: '0.22' });
  const race = await startRace(field, { recipients: 10 }, scene);
  const batch = await claim(field.db, race);
  expect(await budgetOf(field, scene)).toEqual({ budget: 0.22, used: 0, reserved: 0.22 });
  expect(batch.shortfall).toBeNull();
  const marked = await mark(field.db, batch);
  expect(marked).toMatchObject({ positions: [0, 1, 2, 3], short: true });
  await settle(
    field.db,
    batch,
    marked.markId,
    marked.positions.map((each) => accepted(each)),
  );
  expect(await closeBatch(field.db, batch, batch)).toBe('open');
  expect(await budgetOf(field, scene)).toEqual({ budget: 0.22, used: 0.2, reserved: 0 });
  // What is left, 0.02, does not pay for anybody.
  expect((await claim(field.db, race)).shortfall).toBe('exhausted');
});

test('after a top-up it goes on exactly there', async () => {
  const scene = await createScene(field, { budget: '0.2' });
  const race = await startRace(field, { recipients: 10 }, scene);
  expect(await sendBatch(await claim(field.db, race))).toBe(4);
  const broke = await claim(field.db, race);
  expect(broke.shortfall).toBe('exhausted');
  expect(await mark(field.db, broke)).toMatchObject({ positions: [], short: true });
  await topUp(scene.budgetId, '0.30');
  expect(await sendBatch(await claim(field.db, race))).toBe(6);
  expect(await budgetOf(field, scene)).toEqual({ budget: 0.5, used: 0.5, reserved: 0 });
});

test('money that others merely hold is a wait; spent money is the end', async () => {
  const scene = await createScene(field, { budget: '0.5' });
  const first = await startRace(field, { recipients: 10 }, scene);
  const second = await startRace(field, { recipients: 10 }, scene);
  const holder = await claim(field.db, first);
  expect((await claim(field.db, second)).shortfall).toBe('contention');
  expect(await sendBatch(holder)).toBe(10);
  expect((await claim(field.db, second)).shortfall).toBe('exhausted');
});

test('a wallet without a budget this month has no money', async () => {
  const scene = await createScene(field);
  const lastMonth = 'UPDATE budgets SET year = year - 1 WHERE id = $1';
  await query(field.adminUrl, lastMonth, [scene.budgetId]);
  const race = await startRace(field, { recipients: 2 }, scene);
  expect((await claim(field.db, race)).shortfall).toBe('exhausted');
});

test('who is skipped costs nothing and never keeps the others from their money', async () => {
  const scene = await createScene(field, { budget: '0.1' });
  const race = await startRace(field, { recipients: 6 }, scene);
  const blocked = ['+5511900000000', '+5511900000002', '+5511900000003', '+5511900000005'];
  for (const phone of blocked) {
    const sql = 'INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2)';
    await query(field.adminUrl, sql, [scene.companyId, phone]);
  }
  expect(await sendBatch(await claim(field.db, race))).toBe(2);
  expect(await statesOf(field, race)).toEqual([
    'skipped',
    'sent',
    'skipped',
    'skipped',
    'sent',
    'skipped',
  ]);
  expect(await budgetOf(field, scene)).toEqual({ budget: 0.1, used: 0.1, reserved: 0 });
});

test('two claims at once wait for each other at the budget and never take the same money', async () => {
  const scene = await createScene(field, { budget: '0.5' });
  const first = await startRace(field, { recipients: 10 }, scene);
  const second = await startRace(field, { recipients: 10 }, scene);
  const held = await hold(field);
  await claim(held.db, first);
  const other = claim(field.db, second);
  await untilBlockedBy(field, held);
  await held.commit();
  expect((await other).shortfall).toBe('contention');
  expect(await budgetOf(field, scene)).toMatchObject({ reserved: 0.5 });
});

test('a settle that is repeated, also at the same time, moves the money once', async () => {
  const race = await startRace(field, { recipients: 10 });
  const batch = await claim(field.db, race);
  const { markId, positions } = await mark(field.db, batch);
  const results = positions.map((each) => accepted(each));
  const held = await hold(field);
  expect(await settle(held.db, batch, markId, results)).toMatchObject({ changed: 10 });
  const again = settle(field.db, batch, markId, results);
  await untilBlockedBy(field, held);
  await held.commit();
  expect(await again).toEqual({ changed: 0, secondIds: 0, late: 0 });
  expect(await closeBatch(field.db, batch, batch)).toBe('closed');
  expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.5, reserved: 0 });
});

test('refused people cost nothing, unknown ones are paid', async () => {
  const race = await startRace(field, { recipients: 3 });
  const batch = await claim(field.db, race);
  const { markId } = await mark(field.db, batch);
  await settle(field.db, batch, markId, [
    accepted(0),
    { position: 1, outcome: 'failed', code: 'invalid_number', permanent: true },
    { position: 2, outcome: 'unknown', code: 'TIMEOUT' },
  ]);
  expect(await closeBatch(field.db, batch, batch)).toBe('closed');
  expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.1, reserved: 0 });
});

test('a batch that must wait for answers keeps their money only', async () => {
  const race = await startRace(field, { recipients: 10 });
  const batch = await claim(field.db, race);
  const { markId } = await mark(field.db, batch, { limit: 4 });
  await settle(field.db, batch, markId, [accepted(0)]);
  expect(await closeBatch(field.db, batch, batch)).toBe('open');
  const { used, reserved } = await budgetOf(field, race.scene);
  expect([used, reserved]).toEqual([0.05, 0.15]);
  await settle(field.db, batch, markId, [accepted(1), accepted(2), accepted(3)]);
  expect(await sendBatch(await claim(field.db, race))).toBe(6);
  expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.5, reserved: 0 });
});

test('a paused campaign whose worker has died keeps no money from others', async () => {
  const scene = await createScene(field, { budget: '0.5' });
  const first = await startRace(field, { recipients: 10 }, scene);
  const second = await startRace(field, { recipients: 10 }, scene);
  const dead = await claim(field.db, first);
  const { markId } = await mark(field.db, dead, { limit: 1 });
  await move(field.db, first, 'pause');
  await move(field.db, first, 'paused');
  expect(await budgetOf(field, scene)).toMatchObject({ used: 0, reserved: 0.05 });
  expect(await sendBatch(await claim(field.db, second))).toBe(9);
  // Its answer comes late and finds its own money still there.
  await settle(field.db, dead, markId, [accepted(0)]);
  expect(await budgetOf(field, scene)).toEqual({ budget: 0.5, used: 0.45, reserved: 0.05 });
});

test('a pause for want of money by a stale version does nothing', async () => {
  const race = await startRace(field, { recipients: 1 });
  const { controlVersion } = await claim(field.db, race);
  await move(field.db, race, 'pause');
  await move(field.db, race, 'paused');
  await move(field.db, race, 'resume');
  const late = move(field.db, race, 'pause', controlVersion);
  await expect(late).rejects.toMatchObject({ code: 'CONFLICT' });
  const [row] = await query(field.adminUrl, 'SELECT state FROM campaign_executions WHERE id = $1', [
    race.executionId,
  ]);
  expect(row).toEqual({ state: 'PROCESSING' });
});

test('campaigns that share a budget never overspend it, however they race', async () => {
  const scene = await createScene(field, { budget: '2.03' });
  const races = await Promise.all(
    [1, 2, 3].map(() => startRace(field, { recipients: 30, lanes: 2, batchSize: 5 }, scene)),
  );
  const random = createRandom(7);
  let exhausted = 0;
  const lane = async (of: number, number: number): Promise<void> => {
    for (let turns = 0; turns < 12; turns += 1) {
      const batch = await claim(field.db, races[of]!, number).catch(() => undefined);
      if (batch === undefined) return;
      if (batch.shortfall === 'exhausted') exhausted += 1;
      const { markId, positions } = await mark(field.db, batch, { limit: 1 + random.below(5) });
      const refused = random.below(6);
      await settle(
        field.db,
        batch,
        markId,
        positions.map((each) =>
          each % 6 === refused ? { position: each, outcome: 'failed' } : accepted(each),
        ),
      );
      await closeBatch(field.db, batch, batch);
    }
  };
  await Promise.all(races.flatMap((_, of) => [lane(of, 0), lane(of, 1)]));
  const { used, reserved, budget } = await budgetOf(field, scene);
  expect(reserved).toBe(0);
  // Down to less than one person's price, and not one cent more.
  expect(used).toBe(2);
  expect(used).toBeLessThanOrEqual(budget);
  expect(exhausted).toBeGreaterThan(0);
  const paid = (await Promise.all(races.map((race) => ledger(field, race)))).flat();
  expect(paid.filter(({ state }) => state === 'sent')).toHaveLength(40);
});
