import { remarkPeople } from '../prisma/dispatch/messages';
import { cancelBatch } from '../prisma/dispatch/batches';
import { randomUUID } from 'node:crypto';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import {
  accepted,
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
import type { HeldBatch, Settlement } from '../prisma/dispatch/messages';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

interface Scenario {
  race: Race;
  batch: HeldBatch;
  markId: string;
}

/** So many people in `sending`, whose lease is over at once. */
async function markAll(recipients: number, leaseMs = 1): Promise<Scenario> {
  const race = await startRace(field, { recipients });
  const batch = await claim(field.db, race);
  const { markId } = await mark(field.db, batch, { leaseMs });
  return { race, batch, markId };
}

async function repeat({ batch }: Scenario, positions: number[]): Promise<string> {
  const markId = randomUUID();
  const input = { markId, positions, endedMarks: [], leaseMs: 1, graceMs: 0 };
  const marked = await remarkPeople(field.db, batch, input);
  expect(marked).toMatchObject({ outcome: 'marked' });
  return markId;
}

async function idsOf({ executionId }: Race): Promise<string[]> {
  const rows = await query<{ provider_id: string }>(
    field.adminUrl,
    'SELECT provider_id FROM provider_messages WHERE source_id = $1 ORDER BY provider_id',
    [executionId],
  );
  return rows.map((row) => row.provider_id);
}

const refused = (position: number): Settlement => ({
  position,
  outcome: 'failed',
  code: 'invalid_number',
  permanent: true,
});

test('an acceptance applies however late: to unknown, put back, refused and cancelled people', async () => {
  const scene = await markAll(4);
  const { race, batch, markId } = scene;
  await settle(field.db, batch, markId, [
    { position: 0, outcome: 'unknown', code: 'TIMEOUT' },
    { position: 1, outcome: 'queued', code: 'not_found', delayMs: 60_000 },
    refused(2),
    { position: 3, outcome: 'queued', code: 'not_found', delayMs: 60_000 },
  ]);
  await query(
    field.adminUrl,
    `WITH gone AS (UPDATE communications SET state = 'cancelled' WHERE source_id = $1 AND position = 3)
     UPDATE dispatch_batches SET queued = queued - 1, cancelled = cancelled + 1 WHERE execution_id = $1`,
    [race.executionId],
  );
  const late = [0, 1, 2, 3].map((each) => accepted(each));
  expect(await settle(field.db, batch, markId, late)).toEqual({
    changed: 4,
    secondIds: 0,
    late: 3,
  });
  const rows = await ledger(field, race);
  expect(rows.map(({ state, reason, cost }) => [state, reason, cost])).toEqual([
    ['sent', null, 0.05],
    ['sent', 'late_acceptance', 0],
    ['sent', 'late_acceptance', 0],
    ['sent', 'late_acceptance', 0],
  ]);
});

test('a refusal, a deferral and a silence apply with the current mark only', async () => {
  const scene = await markAll(3);
  const { race, batch, markId: old } = scene;
  const current = await repeat(scene, [0, 1, 2]);
  const stale: Settlement[] = [
    refused(0),
    { position: 1, outcome: 'queued', code: 'LEASE_OVER', delayMs: 0 },
    { position: 2, outcome: 'unknown', code: 'TIMEOUT' },
  ];
  expect(await settle(field.db, batch, old, stale)).toMatchObject({ changed: 0 });
  expect(await statesOf(field, race)).toEqual(['sending', 'sending', 'sending']);
  expect(await settle(field.db, batch, current, stale)).toMatchObject({ changed: 3 });
  expect(await statesOf(field, race)).toEqual(['failed', 'queued', 'unknown']);
});

test('an acceptance of an older mark applies, and the current call’s silence then changes nothing', async () => {
  const scene = await markAll(1);
  const { race, batch, markId: old } = scene;
  const current = await repeat(scene, [0]);
  await settle(field.db, batch, old, [accepted(0)]);
  const silence: Settlement[] = [{ position: 0, outcome: 'unknown', code: 'TIMEOUT' }];
  expect(await settle(field.db, batch, current, silence)).toMatchObject({ changed: 0 });
  expect(await statesOf(field, race)).toEqual(['sent']);
});

test('a second vendor id for one person is kept and reported', async () => {
  const scene = await markAll(1);
  const { race, batch, markId } = scene;
  const again = await repeat(scene, [0]);
  await settle(field.db, batch, markId, [accepted(0)]);
  expect(await settle(field.db, batch, again, [accepted(0, '-twin')])).toEqual({
    changed: 0,
    secondIds: 1,
    late: 0,
  });
  expect(await idsOf(race)).toEqual(['vendor-0', 'vendor-0-twin']);
  // The same id again is the same message.
  expect(await settle(field.db, batch, again, [accepted(0)])).toMatchObject({ secondIds: 0 });
});

test('vendor ids have no rows of their own where callbacks carry our reference, but two ids of one message do', async () => {
  const scene = await markAll(2);
  const { race, batch, markId } = scene;
  const again = await repeat(scene, [0, 1]);
  const echoing = { keepIds: false };
  await settle(field.db, batch, markId, [accepted(0), accepted(1)], echoing);
  expect(await idsOf(race)).toEqual([]);
  const twins = [accepted(0, '-twin'), accepted(1)];
  expect(await settle(field.db, batch, again, twins, echoing)).toMatchObject({ secondIds: 1 });
  expect(await idsOf(race)).toEqual(['vendor-0', 'vendor-0-twin']);
});

test('the holder may give up rows of others only when lease and grace are over', async () => {
  const { race, batch } = await markAll(1, 60_000);
  const silence: Settlement[] = [{ position: 0, outcome: 'unknown', code: 'no_answer' }];
  expect(await settle(field.db, batch, null, silence)).toMatchObject({ changed: 0 });
  await query(
    field.adminUrl,
    `UPDATE communications SET call_before = clock_timestamp() - interval '1 second' WHERE source_id = $1`,
    [race.executionId],
  );
  expect(await settle(field.db, batch, null, silence, { graceMs: 60_000 })).toMatchObject({
    changed: 0,
  });
  expect(await settle(field.db, batch, null, silence, { graceMs: 500 })).toMatchObject({
    changed: 1,
  });
});

test('a repeat takes rows of calls that were seen to end at once, and those of others after lease and grace', async () => {
  const { batch, markId } = await markAll(2, 60_000);
  const input = { markId: randomUUID(), positions: [0, 1], leaseMs: 1_000, graceMs: 0 };
  const early = await remarkPeople(field.db, batch, { ...input, endedMarks: [] });
  expect(early).toEqual({ outcome: 'marked', people: [] });
  const ended = await remarkPeople(field.db, batch, { ...input, endedMarks: [markId] });
  expect(ended).toMatchObject({ people: [{ position: 0 }, { position: 1 }] });
});

test('a row knows how often it was marked and when first, for the life of its key', async () => {
  const scene = await markAll(1);
  const [before] = await ledger(field, scene.race);
  await repeat(scene, [0]);
  await repeat(scene, [0]);
  const [after] = await ledger(field, scene.race);
  expect(after).toMatchObject({ tries: 3, marked_at: before?.['marked_at'] });
  expect(after?.['mark_id']).not.toBe(before?.['mark_id']);
});

test('what a vendor says cannot be what the database refuses', async () => {
  const { race, batch, markId } = await markAll(2);
  const long = 'x'.repeat(10_000);
  await settle(field.db, batch, markId, [
    { position: 0, outcome: 'sent', providerId: `a\0b${long}` },
    { position: 1, outcome: 'failed', code: `\0${long}`, permanent: false },
  ]);
  expect(await statesOf(field, race)).toEqual(['sent', 'failed']);
});

test('answers for people of a cancelled campaign are still written down', async () => {
  const { race, batch, markId } = await markAll(2);
  await move(field.db, race, 'cancel');
  expect(await cancelBatch(field.db, race, 0, 'cancelled')).toMatchObject({ outcome: 'sending' });
  await settle(field.db, batch, markId, [accepted(0), refused(1)]);
  expect(await cancelBatch(field.db, race, 0, 'cancelled')).toMatchObject({ outcome: 'closed' });
  expect(await statesOf(field, race)).toEqual(['sent', 'failed']);
});

test('settling nothing, or for an execution of another company, changes nothing', async () => {
  const { race, batch, markId } = await markAll(1);
  const other = await startRace(field, { recipients: 1 });
  const foreign = { ...batch, companyId: other.companyId };
  expect(await settle(field.db, foreign, markId, [accepted(0)])).toMatchObject({ changed: 0 });
  expect(await settle(field.db, batch, markId, [])).toMatchObject({ changed: 0 });
  expect(await statesOf(field, race)).toEqual(['sending']);
});
