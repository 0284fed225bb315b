import type { Resolved } from '../prisma/campaigns/unknowns';
import { applyDueEvents } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import { expectBooksAgree } from './support/books';
import type { ExecutionSpec } from './support/executions';
import {
  accepted,
  budgetOf,
  createField,
  hold,
  ledger,
  settle,
  startRace,
  statesOf,
  untilBlockedBy,
  type Field,
  type Race,
} from './support/races';
import {
  decide,
  leaveUnheard,
  startUnheard,
  storeDelivered,
  type Unheard,
} from './support/unknowns';

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

test('an acceptance that is being written down wins over the person', async () => {
  const scene = await unheard({ recipients: 1 });
  const first = await hold(field);
  await settle(first.db, scene.batch, scene.markId, [accepted(0)]);
  const decision = resolve(scene, 'failed');
  await untilBlockedBy(field, first);
  await first.commit();
  expect(await decision).toMatchObject({ decided: 0 });
  expect(await statesOf(field, scene.race)).toEqual(['sent']);
  await close(scene);
  expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.05, reserved: 0 });
});

test('a callback that is being applied wins over the person', async () => {
  const scene = await unheard({ recipients: 1 });
  await close(scene);
  await storeDelivered(field, scene.race, 0);
  const first = await hold(field);
  await first.client.query(`SELECT * FROM apply_delivery_events($1, 100, '1 day')`, [
    scene.race.companyId,
  ]);
  const decision = resolve(scene, 'failed');
  await untilBlockedBy(field, first);
  await first.commit();
  expect(await decision).toMatchObject({ decided: 0 });
  expect(await statesOf(field, scene.race)).toEqual(['delivered']);
  expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.05 });
});

test('a callback after the decision is believed: a late acceptance at no cost, or the delivery of what was sent', async () => {
  const scene = await unheard({ recipients: 2 });
  await close(scene);
  const { executionId } = scene.race;
  await resolve(scene, 'failed', { only: { executionId, positions: [0] } });
  await resolve(scene, 'sent', { only: { executionId, positions: [1] } });
  await storeDelivered(field, scene.race, 0);
  await storeDelivered(field, scene.race, 1);
  await applyDueEvents(field.db, 100);
  const rows = await ledger(field, scene.race);
  expect(rows.map(({ state, reason, cost }) => [state, reason, cost])).toEqual([
    ['delivered', 'late_acceptance', 0],
    ['delivered', null, 0.05],
  ]);
  expect(await budgetOf(field, scene.race.scene)).toMatchObject({ used: 0.05, reserved: 0 });
});

test('two people decide everybody once between them', async () => {
  const scene = await unheard({ recipients: 30, batchSize: 10 });
  await close(scene);
  const both = await Promise.all([resolve(scene, 'sent'), resolve(scene, 'failed')]);
  expect(both.map(({ decided }) => decided).sort((a, b) => a - b)).toEqual([0, 10]);
});

test('decisions, closes and callbacks over one budget neither lock each other up nor lose a cent', async () => {
  // So many that there are eight lanes; only the first batch of each is worked on.
  const race = await startRace(field, { recipients: 1_280, batchSize: 10, lanes: 8 });
  const scenes: Unheard[] = [];
  for (let lane = 0; lane < 8; lane += 1) {
    scenes.push(await leaveUnheard(field, race, lane));
  }
  for (let position = 0; position < 80; position += 7) await storeDelivered(field, race, position);
  const { executionId } = race;
  const decisions = [0, 10, 20, 30, 40, 50].map((from) => {
    const only = { executionId, positions: [from, from + 1, from + 2, from + 3] };
    return resolve({ race }, from % 20 === 0 ? 'failed' : 'again', { only });
  });
  await Promise.all([...scenes.map(close), applyDueEvents(field.db, 100), ...decisions]);
  await expectBooksAgree(field);
  await resolve({ race }, 'sent');
  expect(await statesOf(field, race)).not.toContain('unknown');
});
