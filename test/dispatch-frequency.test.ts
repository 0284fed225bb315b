import { closeBatch } from '../prisma/dispatch/batches';
import { remarkPeople } from '../prisma/dispatch/messages';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { createScene, type ExecutionSpec } from './support/executions';
import {
  accepted,
  claim,
  createField,
  hold,
  ledger,
  mark,
  settle,
  startRace,
  untilBlockedBy,
  type Field,
  type Race,
} from './support/races';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

const CAP: Partial<ExecutionSpec> = { frequencyCap: { max: 1, periodHours: 1 } };

const block = (companyId: string, phone: string): Promise<unknown> =>
  query(field.adminUrl, 'INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2)', [
    companyId,
    phone,
  ]);

describe('the frequency cap', () => {
  test('of two campaigns that race for the last place of an address one waits, and is deferred', async () => {
    const scene = await createScene(field);
    const first = await startRace(field, { recipients: 1, ...CAP }, scene);
    const second = await startRace(field, { recipients: 1, ...CAP }, scene);
    const [mine, theirs] = [await claim(field.db, first), await claim(field.db, second)];
    const held = await hold(field);
    expect((await mark(held.db, mine)).positions).toEqual([0]);
    const racing = mark(field.db, theirs);
    await untilBlockedBy(field, held);
    await held.commit();
    expect(await racing).toMatchObject({
      positions: [],
      gated: [{ state: 'queued', reason: 'frequency_cap' }],
    });
    const [row] = await ledger(field, second);
    expect(row).toMatchObject({ state: 'queued', reason: 'frequency_cap' });
    // The place is free when the mark that took it leaves the period.
    const [winner] = await ledger(field, first);
    const freeAt = (winner!['marked_at'] as Date).getTime() + 3_600_000;
    expect((row!['not_before'] as Date).getTime()).toBe(freeAt);
  });

  test('a fish receives every campaign: it is counted by no cap and holds up none', async () => {
    const scene = await createScene(field);
    await query(
      field.adminUrl,
      `INSERT INTO fish_contacts (company_id, name, phone) VALUES ($1, 'Pescador', '+5511988887777')`,
      [scene.companyId],
    );
    for (const from of ['+5511900000100', '+5511900000200']) {
      const race = await startRace(field, { recipients: 1, addresses: [from], ...CAP }, scene);
      for (const seq of [0, 1]) {
        const batch = await claim(field.db, race);
        expect(batch.seq).toBe(seq);
        const { markId, positions, gated } = await mark(field.db, batch);
        expect([positions, gated]).toEqual([[seq], []]);
        await settle(field.db, batch, markId, [accepted(seq, `${from}-${seq}`)]);
        await closeBatch(field.db, race, batch);
      }
    }
  });

  test('a place that was not used is free again: refused, put back, blocked, short of money', async () => {
    const scene = await createScene(field, { budget: '0.1' });
    const first = await startRace(field, { recipients: 4, ...CAP }, scene);
    await block(scene.companyId, '+5511900000001');
    const mine = await claim(field.db, first);
    const { markId, positions, short } = await mark(field.db, mine);
    expect([positions, short]).toEqual([[0, 2], true]);
    await settle(field.db, mine, markId, [
      { position: 0, outcome: 'failed', code: 'invalid_number' },
      { position: 2, outcome: 'queued', code: 'LEASE_OVER', delayMs: 60_000 },
    ]);
    await closeBatch(field.db, mine, mine);
    const used = await query(
      field.adminUrl,
      'SELECT address FROM contact_frequency WHERE company_id = $1 AND cardinality(marked_at) > 0',
      [scene.companyId],
    );
    expect(used).toEqual([]);
  });

  test('an answer after a repeat still gives the right place back', async () => {
    const scene = await createScene(field);
    const race = await startRace(field, { recipients: 1, ...CAP }, scene);
    const batch = await claim(field.db, race);
    await mark(field.db, batch, { leaseMs: 1 });
    const markId = '00000000-0000-4000-8000-000000000001';
    const input = { markId, positions: [0], endedMarks: [], leaseMs: 1, graceMs: 0 };
    await remarkPeople(field.db, batch, input);
    await settle(field.db, batch, markId, [{ position: 0, outcome: 'failed', code: 'x' }]);
    const [row] = await query(
      field.adminUrl,
      'SELECT marked_at FROM contact_frequency WHERE company_id = $1',
      [scene.companyId],
    );
    expect(row).toEqual({ marked_at: [] });
  });

  test('settles and marks of the same addresses at the same time never lock each other up', async () => {
    const scene = await createScene(field);
    const cap = { frequencyCap: { max: 50, periodHours: 1 } };
    const races = await Promise.all(
      [1, 2, 3].map(() => startRace(field, { recipients: 60, ...cap }, scene)),
    );
    const work = async (race: Race): Promise<void> => {
      for (let turns = 0; turns < 6; turns += 1) {
        const batch = await claim(field.db, race);
        const { markId, positions } = await mark(field.db, batch, { limit: 30 });
        await settle(
          field.db,
          batch,
          markId,
          positions.toReversed().map((each) => ({ position: each, outcome: 'queued', delayMs: 0 })),
        );
        await closeBatch(field.db, batch, batch);
      }
    };
    await expect(Promise.all(races.map(work))).resolves.toHaveLength(3);
  });
});
