import { randomUUID } from 'node:crypto';
import { transitionExecution } from '../prisma/campaign-executions';
import { claimBatch, closeBatch } from '../prisma/dispatch/batches';
import { markPeople, remarkPeople } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import {
  accepted,
  budgetOf,
  claim,
  createField,
  hold,
  ledger,
  mark,
  markInput,
  move,
  settle,
  startRace,
  statesOf,
  untilBlockedBy,
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

const readState = async ({ executionId }: Race): Promise<unknown> => {
  const rows = await query(field.adminUrl, 'SELECT state FROM campaign_executions WHERE id = $1', [
    executionId,
  ]);
  return rows[0]?.['state'];
};

describe('the lock of an execution', () => {
  test('a pause that waits behind marks is not overtaken by later ones', async () => {
    const race = await startRace(field, { recipients: 40, lanes: 2, batchSize: 20 });
    const [first, second] = [await claim(field.db, race, 0), await claim(field.db, race, 1)];
    const held = await hold(field);
    await mark(held.db, first);

    const ended: string[] = [];
    const pausing = move(field.db, race, 'pause').then(() => ended.push('pause'));
    await untilBlockedBy(field, held);
    const late = markPeople(field.db, second, markInput()).then(({ outcome }) =>
      ended.push(outcome),
    );
    // The late one waits behind the pause, which is what waits for the first.
    await until('both wait', async () => {
      const waiting = await query(
        field.adminUrl,
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return waiting.length === 2;
    });
    await held.commit();
    await Promise.all([pausing, late]);
    expect(ended).toContain('stopped');
    expect((await ledger(field, race)).map(({ position }) => position)).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test('a mark that has waited for the lock sees the pause that was committed meanwhile and marks nobody', async () => {
    const race = await startRace(field, { recipients: 10 });
    const batch = await claim(field.db, race);
    let commit = (): void => {};
    const gate = new Promise<void>((resolve) => (commit = resolve));
    let locked = (): void => {};
    const isLocked = new Promise<void>((resolve) => (locked = resolve));
    let pid = 0;
    const pausing = withTenant(field.db, race.companyId, async (tx) => {
      await transitionExecution(tx, { executionId: race.executionId, verb: 'pause' });
      const rows = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      pid = rows[0]!.pid;
      locked();
      await gate;
    });
    await isLocked;
    const marking = markPeople(field.db, batch, markInput());
    await untilBlockedBy(field, { pid });
    commit();
    await pausing;
    expect(await marking).toEqual({ outcome: 'stopped' });
    expect(await ledger(field, race)).toEqual([]);
  });

  test('marks of different batches do not wait for each other', async () => {
    const race = await startRace(field, { recipients: 40, lanes: 2, batchSize: 20 });
    const [first, second] = [await claim(field.db, race, 0), await claim(field.db, race, 1)];
    const held = await hold(field);
    await mark(held.db, first);
    expect((await mark(field.db, second)).positions).toHaveLength(20);
    await held.commit();
  });

  test('a client that is frozen inside a transaction lets go well before its lease would be over', async () => {
    const race = await startRace(field, { recipients: 10 });
    const batch = await claim(field.db, race);
    const frozen = await field.db.dispatchPool.connect();
    const cut = new Promise((resolve) => frozen.on('error', resolve));
    await frozen.query('BEGIN');
    await mark({ ...field.db, dispatchPool: frozen as never }, batch);
    const startedAt = performance.now();
    await move(field.db, race, 'pause');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await cut;
    frozen.release(true);
    // What it had not committed has never happened.
    expect(await ledger(field, race)).toEqual([]);
  });

  test('a mark that cannot get the lock in time gives up and leaves nothing', async () => {
    const race = await startRace(field, { recipients: 10 });
    const batch = await claim(field.db, race);
    const held = await hold(field);
    await held.client.query('SELECT pg_advisory_xact_lock(execution_lock($1))', [race.executionId]);
    await expect(markPeople(field.db, batch, markInput())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await held.rollback();
    expect(await ledger(field, race)).toEqual([]);
    expect((await mark(field.db, batch)).positions).toHaveLength(10);
  });

  test('no dispatch connection may hold anything for as long as a lease', async () => {
    const { rows } = await field.db.dispatchPool.query<{ name: string; ms: number }>(
      `SELECT name, setting::int AS ms FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout',
         'idle_in_transaction_session_timeout', 'client_connection_check_interval')`,
    );
    expect(rows).toHaveLength(4);
    for (const { ms } of rows) {
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThan(4_000);
    }
  });
});

describe('the fence', () => {
  test('of two claimers of one batch the second waits, and the first can do nothing any more', async () => {
    const race = await startRace(field, { recipients: 10 });
    const held = await hold(field);
    const first = await claim(held.db, race);
    const second = claim(field.db, race);
    await untilBlockedBy(field, held);
    await held.commit();
    expect(first.attempt).toBe(1);
    expect((await second).attempt).toBe(2);

    expect(await markPeople(field.db, first, markInput())).toEqual({ outcome: 'fenced' });
    expect(await closeBatch(field.db, first, first)).toBe('fenced');
    const marked = await mark(field.db, await second, { leaseMs: 1 });
    const repeat = {
      markId: randomUUID(),
      positions: marked.positions,
      endedMarks: [],
      leaseMs: 1_000,
      graceMs: 0,
    };
    expect(await remarkPeople(field.db, first, repeat)).toEqual({ outcome: 'fenced' });
    const giveUp = marked.positions.map((position) => ({ position, outcome: 'unknown' as const }));
    expect(await settle(field.db, first, null, giveUp)).toMatchObject({ changed: 0 });
    expect(new Set(await statesOf(field, race))).toEqual(new Set(['sending']));
  });

  test('a zombie that was marking when it was fenced leaves rows that the next holder finds', async () => {
    const race = await startRace(field, { recipients: 10 });
    const zombie = await claim(field.db, race);
    const held = await hold(field);
    await mark(held.db, zombie);
    // The claim waits for the mark: either it sees the rows, or the mark sees the fence.
    const next = claim(field.db, race);
    await untilBlockedBy(field, held);
    await held.commit();
    expect(await next).toMatchObject({ attempt: 2, sending: 10 });
  });

  test('a claim again reuses what the batch holds', async () => {
    const race = await startRace(field, { recipients: 10 });
    await claim(field.db, race);
    expect(await budgetOf(field, race.scene)).toMatchObject({ reserved: 0.5 });
    await claim(field.db, race);
    expect(await budgetOf(field, race.scene)).toMatchObject({ reserved: 0.5 });
  });

  test('whoever has closed a batch has no right to mark in it', async () => {
    const race = await startRace(field, { recipients: 10 });
    const batch = await claim(field.db, race);
    await mark(field.db, batch, { limit: 5, leaseMs: 1 });
    expect(await closeBatch(field.db, batch, { ...batch, parkMs: 60_000 })).toBe('open');
    expect((await mark(field.db, batch)).positions).toEqual([]);
    const [parked] = [await claim(field.db, race)];
    await mark(field.db, parked);
    expect(await closeBatch(field.db, parked, { ...parked, parkMs: 60_000 })).toBe('sending');
    expect(await markPeople(field.db, parked, markInput())).toEqual({ outcome: 'fenced' });
  });

  test('a closed batch is done, and only then', async () => {
    const race = await startRace(field, { recipients: 2 });
    const batch = await claim(field.db, race);
    expect(await closeBatch(field.db, batch, batch)).toBe('open');
    const again = await claim(field.db, race);
    const { markId } = await mark(field.db, again);
    expect(await closeBatch(field.db, again, again)).toBe('sending');
    await settle(field.db, again, markId, [accepted(0)]);
    expect(await closeBatch(field.db, again, again)).toBe('sending');
    await settle(field.db, again, markId, [accepted(1)]);
    expect(await closeBatch(field.db, again, again)).toBe('closed');
    expect(await claimBatch(field.db, race, 0, 0)).toMatchObject({ outcome: 'done', cause: null });
  });

  test('a batch that is parked leaves its lane to the next one and comes back when it is due', async () => {
    const race = await startRace(field, { recipients: 20, batchSize: 10 });
    const first = await claim(field.db, race);
    const { markId, positions } = await mark(field.db, first);
    expect(await closeBatch(field.db, first, { ...first, parkMs: 60_000 })).toBe('sending');
    const second = await claim(field.db, race);
    expect(second).toMatchObject({ seq: 1, firstOpen: 0 });
    const other = await mark(field.db, second);
    await settle(
      field.db,
      second,
      other.markId,
      other.positions.map((each) => accepted(each)),
    );
    expect(await closeBatch(field.db, second, second)).toBe('closed');
    expect(await claimBatch(field.db, race, 0, 0)).toMatchObject({
      outcome: 'waiting',
      cause: 'reconcile',
      firstOpen: 0,
    });
    await query(
      field.adminUrl,
      'UPDATE dispatch_batches SET next_due = clock_timestamp() WHERE execution_id = $1 AND seq = 0',
      [race.executionId],
    );
    const again = await claim(field.db, race);
    expect(again).toMatchObject({ seq: 0, sending: 10 });
    await settle(
      field.db,
      again,
      markId,
      positions.map((each) => accepted(each)),
    );
    expect(await closeBatch(field.db, again, again)).toBe('closed');
  });

  test('an execution that is not PROCESSING is neither claimed nor marked nor repeated', async () => {
    const race = await startRace(field, { recipients: 10 });
    const batch = await claim(field.db, race);
    const { positions } = await mark(field.db, batch, { limit: 3, leaseMs: 1 });
    await move(field.db, race, 'pause');
    expect(await readState(race)).toBe('PAUSING');
    expect(await claimBatch(field.db, race, 0, 0)).toEqual({ outcome: 'stopped' });
    expect(await markPeople(field.db, batch, markInput())).toEqual({ outcome: 'stopped' });
    const repeat = { markId: randomUUID(), positions, endedMarks: [], leaseMs: 1, graceMs: 0 };
    expect(await remarkPeople(field.db, batch, repeat)).toEqual({ outcome: 'stopped' });
  });
});
