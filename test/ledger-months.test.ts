import { randomUUID } from 'node:crypto';
import { migrate } from '../prisma/migrate';
import { ledgerReachesAhead, runUpkeep } from '../prisma/upkeep';
import { startTestApi, type TestApi } from './support/api';
import { query, withClient } from './support/database';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({
    engine: {
      client: () => Promise.reject(new Error('no engine')),
      ready: () => Promise.resolve(true),
      nudge: () => undefined,
    },
  });
});
afterAll(() => api.close());

const force = (sql: string): Promise<Record<string, unknown>[]> =>
  query(api.database.adminUrl, sql);

/** The name of the partition that is so many months ahead. */
async function partition(ahead: number): Promise<string> {
  const [row] = await query<{ name: string }>(
    api.database.adminUrl,
    `SELECT 'communications_' || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => $1), 'YYYYMM') AS name`,
    [ahead],
  );
  return row!.name;
}

const attached = async (ahead: number): Promise<boolean> => {
  const found = await force(
    `SELECT FROM pg_inherits WHERE inhrelid = to_regclass('${await partition(ahead)}')`,
  );
  return found.length === 1;
};

const readyz = async (): Promise<unknown> => {
  const { status, body } = await api.request('GET', '/readyz');
  return { status, database: body.checks.database };
};
const READY = { status: 200, database: 'ok' };
const FAILING = { status: 503, database: 'ledger partitions are missing' };

describe('readyz', () => {
  test.each([
    { missing: [2, 3, 4], answer: READY },
    { missing: [1], answer: FAILING },
    { missing: [0], answer: FAILING },
  ])('without the partitions of months $missing ahead is $answer.status', async (row) => {
    for (const ahead of row.missing) await force(`DROP TABLE ${await partition(ahead)}`);
    expect(await readyz()).toEqual(row.answer);
    await runUpkeep(api.database.db);
    expect(await readyz()).toEqual(READY);
  });

  test('does not take a detached table for a partition', async () => {
    const name = await partition(1);
    await force(`ALTER TABLE communications DETACH PARTITION ${name}`);
    expect(await ledgerReachesAhead(api.database.db)).toBe(false);
    // Nor does the upkeep: it fails loudly rather than leave the month out.
    await expect(runUpkeep(api.database.db)).rejects.toMatchObject({ code: '42P07' });
    await force(`DROP TABLE ${name}`);
    await runUpkeep(api.database.db);
    expect(await readyz()).toEqual(READY);
  });
});

describe('the coming months', () => {
  test('are made by the worker and by a migration, as the application, four months ahead', async () => {
    for (const make of [
      () => runUpkeep(api.database.db),
      () => migrate({ ownerUrl: api.database.ownerUrl }),
    ]) {
      for (const ahead of [3, 4]) await force(`DROP TABLE ${await partition(ahead)}`);
      await make();
      expect([await attached(3), await attached(4), await attached(5)]).toEqual([
        true,
        true,
        false,
      ]);
    }
  });

  test('go on being made when nobody looks after the installation for a year', async () => {
    // As in a year: the oldest partitions are those of months that have passed since.
    for (let ahead = -1; ahead <= 4; ahead += 1)
      await force(`DROP TABLE ${await partition(ahead)}`);
    await runUpkeep(api.database.db);
    expect(await readyz()).toEqual(READY);
    expect(await Promise.all([-1, 0, 1, 2, 3, 4].map(attached))).not.toContain(false);
  });

  test('are made beside a reader and a writer of the ledger, who wait for nothing', async () => {
    await force(`DROP TABLE ${await partition(4)}`);
    await withClient(api.database.adminUrl, async (other) => {
      await other.query('BEGIN');
      await other.query('SELECT FROM communications');
      await other.query(
        `INSERT INTO communications (company_id, ledger_month, source_id, position, channel, source_kind, state, address)
         VALUES ($1, date_trunc('month', now())::date, $1, 0, 'sms', 'campaign', 'sent', '+5511900000000')`,
        [randomUUID()],
      );
      await runUpkeep(api.database.db);
      expect(await attached(4)).toBe(true);
      await other.query('ROLLBACK');
    });
  });

  test('are made once, whoever asks for them at the same time', async () => {
    await force(`DROP TABLE ${await partition(3)}`);
    await Promise.all([1, 2, 3, 4].map(() => runUpkeep(api.database.db)));
    expect(await attached(3)).toBe(true);
  });

  test('are closed to the application, even with a grant by mistake', async () => {
    const closed = await force(
      `SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'communications'::regclass
         AND (NOT relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
           OR has_table_privilege('regente_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE'))`,
    );
    expect(closed).toEqual([]);
  });
});
