import { randomUUID } from 'node:crypto';
import { CompanyPatch } from '../domain/companies.schema';
import { runUpkeep } from '../prisma/upkeep';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import { insertSamples, type Row } from './support/sample-rows';
import { until } from './support/until';

const COMPANIES = [randomUUID(), randomUUID()].sort();

let database: TestDatabase;
let samples: Map<string, Row>[];
beforeEach(async () => {
  database = await createTestDatabase();
  samples = await withClient(database.adminUrl, async (admin) => [
    await insertSamples(admin, COMPANIES[0]!),
    await insertSamples(admin, COMPANIES[1]!),
  ]);
  // Of the samples, nothing is old.
  await force(`UPDATE sessions SET expires_at = now() + interval '1 hour'`);
  await force('UPDATE contact_frequency SET marked_at = ARRAY[now()]');
});
afterEach(() => database.drop());

/** As the superuser, whom no policy stops. */
const force = (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(database.adminUrl, sql, values);
const idsOf = (table: string): unknown[] => samples.map((rows) => rows.get(table)?.['id']);
const upkeep = (): Promise<number> => runUpkeep(database.db);
const left = async (table: string, column: string): Promise<unknown[]> =>
  (await force(`SELECT ${column} AS it FROM ${table} ORDER BY 1`)).map(({ it }) => it);

test('removes expired sessions, and remembered answers after a day', async () => {
  const [old, young] = idsOf('sessions');
  const end = 'UPDATE sessions SET expires_at = now() + $2::interval WHERE id = $1';
  await force(end, old, '-1 second');
  await force(end, young, '1 minute');
  const age = 'UPDATE idempotency_keys SET touched_at = now() - $2::interval WHERE company_id = $1';
  await force(age, COMPANIES[0], '24 hours 1 second');
  await force(age, COMPANIES[1], '23 hours');
  await upkeep();
  expect(await left('sessions', 'id')).toEqual([young]);
  expect(await left('idempotency_keys', 'company_id')).toEqual([COMPANIES[1]]);
});

describe('what the engine was told', () => {
  const entry = (topic: string, age: string, delivered: string | null) =>
    force(
      `INSERT INTO outbox (id, company_id, topic, subject_id, delivered_at)
         VALUES (uuidv7(-$1::interval), $2, $3, uuidv7(), now() - $4::interval)`,
      age,
      COMPANIES[0],
      topic,
      delivered,
    );

  test('goes after a week, and what it was not told stays, however old', async () => {
    await force('DELETE FROM outbox');
    await entry('notice', '8 days', '7 days 1 second');
    await entry('execution', '8 days', '6 days');
    await entry('execution', '6 days', '6 days');
    await entry('execution', '400 days', null);
    expect(await upkeep()).toBe(1);
    expect(await left('outbox', 'topic')).toEqual(['execution', 'execution', 'execution']);
  });
});

describe('a delivery event', () => {
  const event = (name: string, state: string, age: string, applied: string | null) =>
    force(
      `INSERT INTO webhook_inbox (id, company_id, credential_id, event_id, status, occurred_at, received_at, state, applied_at)
         VALUES (uuidv7(-$1::interval), $2, $3, $4, 'delivered', now(), now() - $1::interval, $5, now() - $6::interval)`,
      age,
      COMPANIES[0],
      samples[0]?.get('credentials')?.['id'],
      name,
      state,
      applied,
    );

  test('goes a week after it was applied, and never before, nor while it is not', async () => {
    await force('DELETE FROM webhook_inbox');
    await event('done', 'applied', '10 days', '7 days 1 second');
    await event('applied late', 'applied', '10 days', '6 days 23 hours');
    await event('young', 'applied', '1 hour', '1 minute');
    await event('waits', 'pending', '400 days', null);
    await event('matches nothing', 'expired', '400 days', null);
    expect(await upkeep()).toBe(1);
    expect(await left('webhook_inbox', 'event_id')).toEqual([
      'applied late',
      'matches nothing',
      'waits',
      'young',
    ]);
  });
});

describe('a rate bucket', () => {
  const bucket = (key: string, idle = '2 days') =>
    force(
      `INSERT INTO rate_buckets (company_id, key, tokens, updated_at) VALUES ($1, $2, 1, now() - $3::interval)`,
      COMPANIES[0],
      key,
      idle,
    );

  test('goes when its execution has ended a day ago; those of accounts and open executions stay', async () => {
    const [ended, open] = idsOf('campaign_executions');
    await force('DELETE FROM rate_buckets');
    await force(`UPDATE campaign_executions SET state = 'FINISHED' WHERE id = $1`, ended);
    await bucket(`execution:${String(ended)}`);
    await bucket(`execution:${String(open)}`);
    await bucket(`credential:${String(idsOf('credentials')[0])}`, '900 days');
    expect(await upkeep()).toBe(1);
    expect(await left('rate_buckets', 'key')).toEqual([
      `credential:${String(idsOf('credentials')[0])}`,
      `execution:${String(open)}`,
    ]);
    await bucket(`execution:${String(ended)}`, '23 hours');
    expect(await upkeep()).toBe(0);
  });
});

describe('the marks of an address', () => {
  const marks = (address: string, ...hoursAgo: number[]) =>
    force(
      `INSERT INTO contact_frequency (company_id, channel, address, marked_at)
         SELECT $1, 'sms', $2, coalesce(array_agg(now() - make_interval(hours => h) ORDER BY h DESC), '{}') FROM unnest($3::int[]) h`,
      COMPANIES[0],
      address,
      hoursAgo,
    );
  /** The longest period of a frequency cap that a company may set. */
  const longestHours = (): number => {
    const accepts = (periodHours: number): boolean =>
      CompanyPatch.safeParse({ settings: { frequencyCap: { max: 1, periodHours } } }).success;
    let hours = 1;
    while (accepts(hours + 1)) hours += 1;
    return hours;
  };

  test('stay as long as the longest cap that a company may set can count one of them', async () => {
    const hours = longestHours();
    await marks('still counts', hours + 500, hours - 1);
    await marks('counts no more', hours + 500, hours + 1);
    await marks('has none');
    expect(await upkeep()).toBe(2);
    const addresses = await left('contact_frequency', 'address');
    expect(addresses).toContain('still counts');
    for (const gone of ['counts no more', 'has none']) expect(addresses).not.toContain(gone);
  });

  test('are all looked at within a day, however many they are', async () => {
    await force('DELETE FROM contact_frequency');
    await force(
      `INSERT INTO contact_frequency (company_id, channel, address, marked_at)
         SELECT $1, 'sms', '+55' || n, ARRAY[now() - interval '2 years'] FROM generate_series(1, 12000) n`,
      COMPANIES[0],
    );
    const byHour: number[] = [];
    for (let hour = 0; hour < 24; hour += 1)
      byHour.push(await runUpkeep(database.db, new Date(Date.UTC(2026, 0, 1, hour))));
    expect(await left('contact_frequency', 'address')).toEqual([]);
    expect(Math.max(...byHour)).toBeLessThan(2_000);
  });
});

test('a row that somebody holds is passed over, and not waited for', async () => {
  const [held] = idsOf('outbox');
  const old = `UPDATE outbox SET id = uuidv7(interval '-9 days'), delivered_at = now() - interval '9 days'`;
  await force(`${old} WHERE id = $1`, held);
  await withClient(database.adminUrl, async (holder) => {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM outbox WHERE delivered_at IS NOT NULL FOR UPDATE');
    expect(await upkeep()).toBe(0);
    await holder.query('ROLLBACK');
  });
  expect(await upkeep()).toBe(1);
});

test('many rows go in steps, and the big tables are not read whole for it', async () => {
  await force('DELETE FROM webhook_inbox');
  const insert = (many: number, age: string) =>
    force(
      `INSERT INTO webhook_inbox (id, company_id, credential_id, event_id, status, occurred_at, state, applied_at)
         SELECT uuidv7(-$2::interval), $3, $4, $5::text || n, 'delivered', now(), 'applied', now() - $2::interval
           FROM generate_series(1, $1) n`,
      many,
      age,
      COMPANIES[0],
      samples[0]?.get('credentials')?.['id'],
      age,
    );
  await insert(12_000, '9 days');
  await insert(30_000, '1 day');
  await force('ANALYZE webhook_inbox');
  const scans = async (): Promise<{ whole: number; removed: number }> => {
    const [row] = await force(
      `SELECT seq_scan::int AS whole, n_tup_del::int AS removed FROM pg_stat_user_tables WHERE relname = 'webhook_inbox'`,
    );
    return row as { whole: number; removed: number };
  };
  const before = await scans();
  expect(await upkeep()).toBe(12_000);
  await database.db.pool.query('SELECT pg_stat_force_next_flush()');
  await until('it is counted', async () => (await scans()).removed >= before.removed + 12_000);
  expect((await scans()).whole).toBe(before.whole);
});
