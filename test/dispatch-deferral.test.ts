import { cancelBatch, claimBatch, closeBatch } from '../prisma/dispatch/batches';
import { markPeople } from '../prisma/dispatch/messages';
import { sqlState } from '../prisma/errors';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import {
  accepted,
  budgetOf,
  claim,
  createField,
  ledger,
  mark,
  markInput,
  move,
  settle,
  startRace,
  statesOf,
  type Field,
  type Race,
} from './support/races';
import { until } from './support/until';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

const inMs = (ms: number): { zone: string; opensAtMs: number }[] => [
  { zone: 'America/Sao_Paulo', opensAtMs: Date.now() + ms },
];
const ADDRESS = '+5511900000000';
const block = (companyId: string, phone: string): Promise<unknown> =>
  query(field.adminUrl, 'INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2)', [
    companyId,
    phone,
  ]);

const moveTo = (race: Race, position: number, zone: string): Promise<unknown> =>
  query(
    field.adminUrl,
    `UPDATE campaign_recipients r SET time_zone = $3 FROM campaign_executions e
     WHERE e.id = $1 AND r.audience_id = e.audience_id AND r.position = $2`,
    [race.executionId, position, zone],
  );

describe('send window and quiet hours', () => {
  test('only people in a closed zone are deferred; the others are sent', async () => {
    const race = await startRace(field, { recipients: 3 });
    await moveTo(race, 1, 'America/Manaus');
    const batch = await claim(field.db, race);
    const marked = await mark(field.db, batch, { closedZones: inMs(60_000) });
    expect(marked).toMatchObject({ positions: [1], more: false });
    const deferred = { state: 'queued', reason: 'send_window' };
    expect(marked.gated).toEqual([deferred, deferred]);
    const rows = await ledger(field, race);
    expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
      ['queued', 'send_window'],
      ['sending', null],
      ['queued', 'send_window'],
    ]);
  });

  test('deferred people cost nothing while they wait, and are marked when they are due', async () => {
    const race = await startRace(field, { recipients: 2 });
    const batch = await claim(field.db, race);
    await mark(field.db, batch, { closedZones: inMs(3_600_000) });
    expect(await closeBatch(field.db, batch, batch)).toBe('waiting');
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0, reserved: 0 });
    const waiting = await claimBatch(field.db, race, 0, 0);
    expect(waiting).toMatchObject({ outcome: 'waiting', cause: 'send_window', firstOpen: 0 });
    // As if the hour were over.
    for (const due of [
      `UPDATE communications SET not_before = now() WHERE source_id = $1`,
      `UPDATE dispatch_batches SET next_due = now() WHERE execution_id = $1`,
    ])
      await query(field.adminUrl, due, [race.executionId]);
    const again = await claim(field.db, race);
    const { markId, positions } = await mark(field.db, again);
    expect(positions).toEqual([0, 1]);
    await settle(
      field.db,
      again,
      markId,
      positions.map((each) => accepted(each)),
    );
    expect(await closeBatch(field.db, again, again)).toBe('closed');
    expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.1, reserved: 0 });
  });

  test('who was blocked while waiting is skipped when due: the gate is passed again', async () => {
    const race = await startRace(field, { recipients: 2 });
    const batch = await claim(field.db, race);
    await mark(field.db, batch, { closedZones: inMs(1) });
    await block(race.companyId, ADDRESS);
    await until('they are due', async () => (await mark(field.db, batch)).positions.length > 0);
    expect(await statesOf(field, race)).toEqual(['skipped', 'sending']);
  });

  test('a window that still is closed defers again, without an end', async () => {
    const race = await startRace(field, { recipients: 1 });
    const batch = await claim(field.db, race);
    await mark(field.db, batch, { closedZones: inMs(0) });
    expect(await mark(field.db, batch, { closedZones: inMs(60_000) })).toMatchObject({
      positions: [],
      more: false,
    });
    expect(await statesOf(field, race)).toEqual(['queued']);
  });

  test('a reason is shown for the whole campaign only when no lane has anything to do', async () => {
    const race = await startRace(field, { recipients: 20, lanes: 2, batchSize: 10 });
    const batch = await claim(field.db, race, 0);
    await mark(field.db, batch, { closedZones: inMs(60_000) });
    await closeBatch(field.db, batch, batch);
    expect(await claimBatch(field.db, race, 0, 0)).toMatchObject({
      outcome: 'waiting',
      cause: null,
    });
    const other = await claim(field.db, race, 1);
    const { markId, positions } = await mark(field.db, other);
    await settle(
      field.db,
      other,
      markId,
      positions.map((each) => accepted(each)),
    );
    await closeBatch(field.db, other, other);
    expect(await claimBatch(field.db, race, 1, 0)).toMatchObject({
      outcome: 'done',
      cause: 'send_window',
    });
  });
});

describe('the deadline', () => {
  test('who cannot be reached before it is skipped at once', async () => {
    const race = await startRace(field, {
      recipients: 2,
      sendUntil: new Date(Date.now() + 60_000),
    });
    await moveTo(race, 1, 'America/Manaus');
    const batch = await claim(field.db, race);
    const closedZones = [...inMs(120_000), { zone: 'America/Manaus', opensAtMs: null }];
    await mark(field.db, batch, { closedZones });
    const rows = await ledger(field, race);
    expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
      ['skipped', 'deadline'],
      ['skipped', 'deadline'],
    ]);
  });

  test('once it has passed, nobody is sent to, deferred or not', async () => {
    const race = await startRace(field, { recipients: 4 });
    const batch = await claim(field.db, race);
    await moveTo(race, 0, 'America/Manaus');
    const closedZones = [{ zone: 'America/Manaus', opensAtMs: Date.now() }];
    expect(await mark(field.db, batch, { closedZones, limit: 1 })).toMatchObject({
      gated: [{ state: 'queued', reason: 'send_window' }],
    });
    await query(
      field.adminUrl,
      `UPDATE campaign_executions SET send_until = clock_timestamp() WHERE id = $1`,
      [race.executionId],
    );
    await mark(field.db, batch);
    await mark(field.db, batch);
    const rows = await ledger(field, race);
    expect(rows.map(({ reason }) => reason)).toEqual(Array(4).fill('deadline'));
    expect(await closeBatch(field.db, batch, batch)).toBe('closed');
  });
});

test('a row that the database cannot take is skipped alone', async () => {
  const race = await startRace(field, { recipients: 3 });
  await query(
    field.adminUrl,
    `CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF NEW.address = '+5511900000001' AND NEW.state <> 'skipped' THEN
         RAISE EXCEPTION 'no' USING ERRCODE = '22003';
       END IF;
       RETURN NEW;
     END $$;
     CREATE TRIGGER refuse_row BEFORE INSERT ON communications FOR EACH ROW EXECUTE FUNCTION refuse_row()`,
  );
  try {
    const batch = await claim(field.db, race);
    const refusal: unknown = await markPeople(field.db, batch, markInput()).catch(
      (error: unknown) => error,
    );
    expect(sqlState(refusal)).toBe('22003');
    expect(await ledger(field, race)).toEqual([]);
    await mark(field.db, batch, { limit: 1 });
    await mark(field.db, batch, { limit: 1, badRow: true });
    await mark(field.db, batch);
    const rows = await ledger(field, race);
    expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
      ['sending', null],
      ['skipped', 'bad_row'],
      ['sending', null],
    ]);
  } finally {
    await query(field.adminUrl, 'DROP TRIGGER refuse_row ON communications');
  }
});

test('a batch whose people the audience lacks fails loudly instead of turning in a circle', async () => {
  const race = await startRace(field, { recipients: 2 });
  await query(
    field.adminUrl,
    `DELETE FROM campaign_recipients r USING campaign_executions e
     WHERE e.id = $1 AND r.audience_id = e.audience_id`,
    [race.executionId],
  );
  const batch = await claim(field.db, race);
  await expect(markPeople(field.db, batch, markInput())).rejects.toThrow('whom the audience lacks');
});

test('a late acceptance of the only deferred person leaves a batch that ends', async () => {
  const race = await startRace(field, { recipients: 1 });
  const batch = await claim(field.db, race);
  const { markId } = await mark(field.db, batch);
  const back = { position: 0, outcome: 'queued' as const, code: 'not_found', delayMs: 0 };
  await settle(field.db, batch, markId, [back]);
  await settle(field.db, batch, markId, [accepted(0)]);
  expect(await mark(field.db, batch)).toMatchObject({ positions: [], more: false });
  expect(await closeBatch(field.db, batch, batch)).toBe('closed');
});

test('cancelling cancels the deferred and the unreached, with its reason', async () => {
  const race = await startRace(field, { recipients: 4 });
  const batch = await claim(field.db, race);
  await mark(field.db, batch, { closedZones: inMs(60_000), limit: 2 });
  await move(field.db, race, 'cancel');
  expect(await cancelBatch(field.db, race, 0, 'too_late')).toMatchObject({ outcome: 'closed' });
  const rows = await ledger(field, race);
  expect(rows.map(({ state, reason }) => [state, reason])).toEqual(
    Array.from({ length: 4 }, () => ['cancelled', 'too_late']),
  );
});
