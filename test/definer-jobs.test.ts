import { randomUUID } from 'node:crypto';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import { insertSamples, type Row } from './support/sample-rows';

const COMPANIES = [randomUUID(), randomUUID()].sort();

let database: TestDatabase;
let samples: Map<string, Row>[];
beforeEach(async () => {
  database = await createTestDatabase();
  samples = await withClient(database.adminUrl, async (admin) => [
    await insertSamples(admin, COMPANIES[0]!),
    await insertSamples(admin, COMPANIES[1]!),
  ]);
});
afterEach(() => database.drop());

/** As the application, with no tenant. */
const call = (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(database.appUrl, sql, values);

/** As the superuser, whom no policy stops. */
const force = (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(database.adminUrl, sql, values);

const idsOf = (table: string): unknown[] => samples.map((rows) => rows.get(table)?.['id']);

describe('outbox_due', () => {
  test('answers what is due in all companies, the oldest first, and no more than asked for', async () => {
    const [first, second] = idsOf('outbox');
    await force(
      `UPDATE outbox SET next_attempt_at = now() - interval '1 minute' WHERE id = $1`,
      second,
    );
    const due = await call('SELECT * FROM outbox_due(10)');
    expect(due.map(({ id }) => id)).toEqual([second, first]);
    expect(due[0]).toEqual({
      id: second,
      company_id: COMPANIES[1],
      topic: 'execution',
      subject_id: samples[1]?.get('outbox')?.['subject_id'],
      trace_parent: samples[1]?.get('outbox')?.['trace_parent'] ?? null,
    });
    expect(await call('SELECT * FROM outbox_due(1)')).toHaveLength(1);
  });

  test('leaves out what was delivered and what is for later', async () => {
    const [first, second] = idsOf('outbox');
    await force('UPDATE outbox SET delivered_at = now() WHERE id = $1', first);
    await force(
      `UPDATE outbox SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`,
      second,
    );
    expect(await call('SELECT * FROM outbox_due(10)')).toEqual([]);
  });
});

describe('open_executions', () => {
  test('walks through those that have not ended, page by page', async () => {
    const ids = idsOf('campaign_executions').map(String).sort();
    const seen: unknown[] = [];
    let after = '00000000-0000-0000-0000-000000000000';
    for (let page = 0; page < 3; page += 1) {
      const [row] = await call('SELECT * FROM open_executions($1, 1)', after);
      if (row === undefined) break;
      expect(row).toMatchObject({ state: 'PENDING', company_id: expect.any(String) });
      seen.push(row['id']);
      after = String(row['id']);
    }
    expect(seen).toEqual(ids);
  });

  test.each(['FINISHED', 'FAILED', 'CANCELLED'])('leaves out what is %s', async (state) => {
    const [ended, open] = idsOf('campaign_executions');
    await force('UPDATE campaign_executions SET state = $2 WHERE id = $1', ended, state);
    const rows = await call(
      `SELECT id FROM open_executions('00000000-0000-0000-0000-000000000000', 10)`,
    );
    expect(rows).toEqual([{ id: open }]);
  });
});

describe('installation_figures', () => {
  const read = async (): Promise<Record<string, number>> => {
    const rows = await call(
      `SELECT concat_ws(' ', figure, state, reason) AS name, value FROM installation_figures()`,
    );
    return Object.fromEntries(rows.map(({ name, value }) => [name as string, value as number]));
  };

  test('counts what is open in all companies and says for how long it is due, without a name', async () => {
    await force(`UPDATE outbox SET next_attempt_at = now() - interval '90 seconds'`);
    await force(`UPDATE webhook_inbox SET next_attempt_at = now() - interval '1 hour'`);
    await force(
      `UPDATE campaign_executions SET state = 'PAUSED', state_reason = 'budget_exhausted', waiting_reason = 'schedule'
         WHERE id = $1`,
      idsOf('campaign_executions')[0],
    );
    await force(
      `UPDATE dispatch_batches b SET execution_id = e.id, to_position = 9, next_position = 4, queued = 2, sending = 1
         FROM campaign_executions e WHERE e.company_id = b.company_id`,
    );
    const figures = await read();
    expect(figures).toMatchObject({
      'executions PENDING none': 1,
      'executions PAUSED budget_exhausted': 1,
      'people waiting': 12,
      'people queued': 4,
      'people sending': 2,
      outbox_due: 2,
      inbox_pending: 2,
      ledger_months: 4,
    });
    expect(figures['outbox_overdue']).toBeGreaterThanOrEqual(90);
    expect(figures['outbox_overdue']).toBeLessThan(200);
    expect(figures['inbox_overdue']).toBeGreaterThanOrEqual(3_600);
    expect(JSON.stringify(figures)).not.toMatch(/[0-9a-f]{8}-/);
  });

  test('counts nothing that has ended, was told or was applied', async () => {
    await force(`UPDATE campaign_executions SET state = 'FINISHED'`);
    await force('UPDATE outbox SET delivered_at = now()');
    await force(`UPDATE webhook_inbox SET state = 'applied'`);
    const { 'people waiting': waiting, outbox_due: due, outbox_overdue: overdue } = await read();
    expect([waiting, due, overdue]).toEqual([0, 0, 0]);
    expect(await read()).toMatchObject({ inbox_pending: 0, inbox_overdue: 0 });
    expect(Object.keys(await read()).filter((name) => name.startsWith('executions'))).toEqual([]);
  });

  test.each([
    [0, 'below_80'],
    [79, 'below_80'],
    [80, 'from_80'],
    [95, 'from_95'],
    [100, 'exhausted'],
  ])('tells of budgets of this month: %i %% taken is %s', async (taken, level) => {
    const month = `date_part('year', now()), month = date_part('month', now())`;
    await force(
      `UPDATE budgets SET year = ${month}, budget = 100, used = $1::numeric / 2, reserved = $1::numeric / 2`,
      taken,
    );
    const found = Object.entries(await read()).filter(([name]) => name.startsWith('budgets'));
    expect(found).toEqual([[`budgets ${level}`, 2]]);
  });
});

describe('companies_with_due_events', () => {
  test('names each company once, while it has an event that waits', async () => {
    const due = async (): Promise<unknown[]> =>
      (await call('SELECT * FROM companies_with_due_events() ORDER BY 1')).map(
        (row) => row['company_id'],
      );
    expect(await due()).toEqual(COMPANIES);
    const [first, second] = idsOf('webhook_inbox');
    await force(`UPDATE webhook_inbox SET state = 'applied' WHERE id = $1`, first);
    expect(await due()).toEqual([COMPANIES[1]]);
    await force(
      `UPDATE webhook_inbox SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`,
      second,
    );
    expect(await due()).toEqual([]);
  });
});

describe('ledger_ensure_partitions', () => {
  const partitions = async (): Promise<string[]> =>
    (
      await force(
        `SELECT relname, pg_get_userbyid(relowner) AS owner FROM pg_class
           WHERE relispartition AND relkind = 'r' AND relname LIKE 'communications_%' ORDER BY 1`,
      )
    ).map(({ relname, owner }) => `${String(owner)} ${String(relname)}`);

  const months = async (from: number, to: number): Promise<string[]> =>
    (
      await force(
        `SELECT 'regente_owner communications_' || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => m), 'YYYYMM') AS name
           FROM generate_series($1::int, $2) m ORDER BY 1`,
        from,
        to,
      )
    ).map(({ name }) => String(name));

  test('is called by the application, makes what is missing, and nothing twice', async () => {
    expect(await partitions()).toEqual(await months(-1, 4));
    expect(await call('SELECT ledger_ensure_partitions(4) AS made')).toEqual([{ made: 0 }]);
    expect(await call('SELECT ledger_ensure_partitions(7) AS made')).toEqual([{ made: 3 }]);
    expect(await partitions()).toEqual(await months(-1, 7));
    const [last = ''] = (await months(2, 2)).map((name) => name.split(' ')[1]);
    await force(`DROP TABLE ${last}`);
    expect(await call('SELECT ledger_ensure_partitions(4) AS made')).toEqual([{ made: 1 }]);
    expect(await partitions()).toEqual(await months(-1, 7));
  });

  test('gives the application no way into a new partition but through the ledger', async () => {
    await call('SELECT ledger_ensure_partitions(5)');
    const [name = ''] = (await months(5, 5)).map((each) => each.split(' ')[1]);
    await expect(call(`SELECT FROM ${name}`)).rejects.toMatchObject({ code: '42501' });
  });
});
