import { checkEnd } from '../prisma/campaign-executions';
import type { Resolved } from '../prisma/campaigns/unknowns';
import { claimBatch, closeBatch } from '../prisma/dispatch/batches';
import { withTenant } from '../prisma/tenant';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import type { ExecutionSpec } from './support/executions';
import { createBudget } from './support/factories';
import {
  accepted,
  budgetOf,
  claim,
  createField,
  ledger,
  mark,
  move,
  settle,
  startRace,
  statesOf,
  type Field,
  type Race,
} from './support/races';
import { decide, silence, startUnheard, type Unheard } from './support/unknowns';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

const unheard = (spec: ExecutionSpec): Promise<Unheard> => startUnheard(field, spec);
const close = ({ batch }: Unheard) => closeBatch(field.db, batch, batch);
const resolve = (
  { race }: { race: Race },
  as: 'sent' | 'failed' | 'again',
  options: Parameters<typeof decide>[3] = {},
): Promise<Resolved> => decide(field, race, as, options);

describe('money', () => {
  test('of whoever is decided as sent stays used, and of whoever has failed comes back', async () => {
    const scene = await unheard({ recipients: 4 });
    await close(scene);
    const only = (...positions: number[]) => ({
      only: { executionId: scene.race.executionId, positions },
    });
    expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.2, reserved: 0 });
    expect(await resolve(scene, 'sent', only(0))).toMatchObject({ decided: 1 });
    expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.2, reserved: 0 });
    expect(await resolve(scene, 'failed', only(1, 3))).toMatchObject({ decided: 2 });
    expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.1, reserved: 0 });
    expect(await statesOf(field, scene.race)).toEqual(['sent', 'failed', 'unknown', 'failed']);
    const rows = await ledger(field, scene.race);
    expect(rows.map(({ reason, permanent }) => [reason, permanent])).toEqual([
      ['decided', null],
      ['decided', false],
      ['TIMEOUT', null],
      ['decided', false],
    ]);
    const charges = await query(
      field.adminUrl,
      'SELECT kind, amount::float8, messages FROM budget_charges WHERE execution_id = $1 ORDER BY id',
      [scene.race.executionId],
    );
    expect(charges).toEqual([
      { kind: 'dispatch', amount: 0.2, messages: 4 },
      { kind: 'refund', amount: -0.1, messages: -2 },
    ]);
  });

  test('that is not booked yet comes back too, while a worker holds the batch', async () => {
    const race = await startRace(field, { recipients: 6 });
    const batch = await claim(field.db, race);
    const { markId } = await mark(field.db, batch, { limit: 4, leaseMs: 1 });
    await settle(field.db, batch, markId, [silence(0), silence(1), accepted(2)]);
    const only = { executionId: race.executionId, positions: [0] };
    expect(await resolve({ race }, 'failed', { only })).toMatchObject({ decided: 1 });
    await expectBooksAgree(field);
    // Position 3 is still with the vendor and keeps its money; the rest was given back.
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.1, reserved: 0.05 });
    expect(await mark(field.db, batch, { leaseMs: 1 })).toMatchObject({
      short: true,
      positions: [],
    });
    await settle(field.db, batch, markId, [accepted(3)]);
    await closeBatch(field.db, batch, batch);
    const again = await claim(field.db, race);
    const last = await mark(field.db, again);
    expect(last.positions).toEqual([4, 5]);
    await settle(field.db, again, last.markId, [accepted(4), accepted(5)]);
    expect(await closeBatch(field.db, again, again)).toBe('closed');
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.25, reserved: 0 });
  });

  test('comes back to the month that was charged', async () => {
    const scene = await unheard({ recipients: 3 });
    const { race } = scene;
    await settle(field.db, scene.batch, scene.markId, [
      { position: 2, outcome: 'sent', providerId: 'vendor-2' },
    ]);
    await close(scene);
    // What this month has charged becomes last month's, and the next claim finds another budget.
    const { scene: place } = race;
    await query(field.adminUrl, `UPDATE budgets SET year = 2020, month = 1 WHERE id = $1`, [
      place.budgetId,
    ]);
    const budgetId = await createBudget(field.db, race.companyId, {
      walletId: place.walletId,
      budget: '10',
    });
    const only = { executionId: race.executionId, positions: [0] };
    await resolve(scene, 'again', { only });
    const batch = await claim(field.db, race);
    const { markId, positions } = await mark(field.db, batch, { leaseMs: 1 });
    expect(positions).toEqual([0]);
    await settle(field.db, batch, markId, [silence(0)]);
    await closeBatch(field.db, batch, batch);
    const now = { ...place, budgetId };
    expect(await budgetOf(field, place)).toMatchObject({ used: 0.1 });
    expect(await budgetOf(field, now)).toMatchObject({ used: 0.05 });
    await resolve(scene, 'failed', { only: { ...only, positions: [1] } });
    expect([await budgetOf(field, place), await budgetOf(field, now)]).toMatchObject([
      { used: 0.05 },
      { used: 0.05 },
    ]);
    await resolve(scene, 'failed', { only });
    expect([await budgetOf(field, place), await budgetOf(field, now)]).toMatchObject([
      { used: 0.05 },
      { used: 0 },
    ]);
  });
});

test('nobody is decided before lease and timeout of their call are over', async () => {
  const scene = await unheard({ recipients: 2 });
  const { race } = scene;
  const early = await resolve(scene, 'failed', { graceMs: 60_000 });
  expect(early).toMatchObject({ decided: 0, undecided: { too_early: 2, not_unknown: 0, fish: 0 } });
  expect(early.undecidedPeople).toEqual([
    { executionId: race.executionId, position: 0, why: 'too_early' },
    { executionId: race.executionId, position: 1, why: 'too_early' },
  ]);
  const waitMs = (early.decidableAt?.getTime() ?? 0) - Date.now();
  expect(waitMs).toBeGreaterThan(50_000);
  expect(waitMs).toBeLessThan(60_001);
  expect(await statesOf(field, race)).toEqual(['unknown', 'unknown']);
  expect(await resolve(scene, 'failed')).toMatchObject({ decided: 2 });
});

test('positions that are not unknown are named, and a reason chooses', async () => {
  const scene = await unheard({ recipients: 3 });
  const { race, batch } = scene;
  const { executionId } = race;
  await settle(field.db, batch, scene.markId, [accepted(0)]);
  await query(
    field.adminUrl,
    `UPDATE communications SET reason = 'no_answer' WHERE source_id = $1 AND position = 2`,
    [executionId],
  );
  const named = await resolve(scene, 'failed', { only: { executionId, positions: [0, 1, 1, 99] } });
  expect(named).toMatchObject({
    decided: 1,
    people: [{ position: 1 }],
    undecided: { not_unknown: 2 },
  });
  expect(named.undecidedPeople.map(({ position, why }) => [position, why])).toEqual([
    [0, 'not_unknown'],
    [99, 'not_unknown'],
  ]);
  expect(await resolve(scene, 'sent', { only: { reason: 'TIMEOUT' } })).toMatchObject({
    decided: 0,
  });
  expect(await resolve(scene, 'sent', { only: { reason: 'no_answer' } })).toMatchObject({
    decided: 1,
  });
});

describe('sent again while the execution is open', () => {
  test('people of a closed batch are back in the queue at once, and it does not end without them', async () => {
    const scene = await unheard({ recipients: 2 });
    const { race } = scene;
    expect(await close(scene)).toBe('closed');
    expect(await resolve(scene, 'again')).toMatchObject({
      decided: 2,
      executionId: race.executionId,
    });
    await expectBooksAgree(field);
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0, reserved: 0 });
    const check = await withTenant(field.db, race.companyId, (tx) =>
      checkEnd(tx, race.executionId),
    );
    expect(check).toMatchObject({ complete: false, open: 2 });
    const batch = await claim(field.db, race);
    const { markId, positions } = await mark(field.db, batch);
    expect(positions).toEqual([0, 1]);
    await settle(
      field.db,
      batch,
      markId,
      positions.map((each) => accepted(each)),
    );
    expect(await closeBatch(field.db, batch, batch)).toBe('closed');
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.1, reserved: 0 });
  });

  test('an acceptance of the first call comes late and keeps them from a second one', async () => {
    const scene = await unheard({ recipients: 1 });
    await close(scene);
    await resolve(scene, 'again');
    expect(await settle(field.db, scene.batch, scene.markId, [accepted(0)])).toMatchObject({
      late: 1,
    });
    expect(await statesOf(field, scene.race)).toEqual(['sent']);
    const batch = await claim(field.db, scene.race);
    expect((await mark(field.db, batch)).positions).toEqual([]);
    expect(await closeBatch(field.db, batch, batch)).toBe('closed');
  });

  test('a lane that has ended leaves them to one that has not', async () => {
    const scene = await unheard({ recipients: 20, batchSize: 10, lanes: 2 });
    await close(scene);
    expect(await claimBatch(field.db, scene.race, 0, 0)).toMatchObject({ outcome: 'done' });
    await resolve(scene, 'again');
    const other = await claim(field.db, scene.race, 1);
    expect(other.seq).toBe(0);
    expect((await mark(field.db, other)).positions).toHaveLength(10);
  });

  test('it waits while the campaign is paused, and is cancelled with it', async () => {
    const scene = await unheard({ recipients: 2 });
    await close(scene);
    await move(field.db, scene.race, 'pause');
    await resolve(scene, 'again');
    expect(await statesOf(field, scene.race)).toEqual(['queued', 'queued']);
    await move(field.db, scene.race, 'cancel');
    await expect(resolve(scene, 'again')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { state: 'CANCELLING' },
    });
  });

  test('gives their place under the frequency cap back, which the next mark takes', async () => {
    const cap = { frequencyCap: { max: 1, periodHours: 1 } };
    const scene = await unheard({ recipients: 2, ...cap });
    await resolve(scene, 'again', {
      only: { executionId: scene.race.executionId, positions: [1] },
    });
    await close(scene);
    const batch = await claim(field.db, scene.race);
    expect((await mark(field.db, batch)).positions).toEqual([1]);
    const places = await query<{ places: number }>(
      field.adminUrl,
      'SELECT cardinality(marked_at) AS places FROM contact_frequency WHERE company_id = $1',
      [scene.race.companyId],
    );
    expect(places).toEqual([{ places: 1 }, { places: 1 }]);
  });
});
