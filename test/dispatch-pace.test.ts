import { randomUUID } from 'node:crypto';
import { blockTokens, returnTokens, takeTokens, type Bucket } from '../prisma/dispatch/tokens';
import { query } from './support/database';
import { createField, type Field } from './support/races';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterAll(() => field.drop());

const bucketOf = (over: Partial<Bucket> = {}): Bucket => ({
  companyId: randomUUID(),
  key: 'credential:x',
  ratePerSecond: 100,
  burst: 10,
  spacingMs: 0,
  ...over,
});

const take = (bucket: Bucket, want: number): Promise<{ granted: number; waitMs: number }> =>
  takeTokens(field.db, bucket, want);

/** Moves what the bucket remembers, as if so much time had passed since. */
const age = ({ companyId }: Bucket, ms: number): Promise<unknown> =>
  query(
    field.adminUrl,
    `UPDATE rate_buckets SET updated_at = updated_at - $2 * interval '1 millisecond',
       blocked_until = blocked_until - $2 * interval '1 millisecond' WHERE company_id = $1`,
    [companyId, ms],
  );

test('a bucket grants its burst at once, then tells how long the next one takes', async () => {
  const bucket = bucketOf({ ratePerSecond: 0.01 });
  expect(await take(bucket, 8)).toEqual({ granted: 8, waitMs: 0 });
  expect(await take(bucket, 8)).toEqual({ granted: 2, waitMs: 0 });
  const { granted, waitMs } = await take(bucket, 8);
  expect(granted).toBe(0);
  expect(waitMs).toBeGreaterThan(50_000);
  expect(waitMs).toBeLessThanOrEqual(100_000);
});

test('it refills at its rate, and never above its burst', async () => {
  const bucket = bucketOf({ ratePerSecond: 0.01 });
  await take(bucket, 10);
  await age(bucket, 300_000);
  expect(await take(bucket, 10)).toMatchObject({ granted: 3 });
  await age(bucket, 6_000_000);
  expect(await take(bucket, 100)).toMatchObject({ granted: 10 });
});

test('what the gate left unused goes back', async () => {
  const bucket = bucketOf({ ratePerSecond: 0.001 });
  await take(bucket, 10);
  await returnTokens(field.db, bucket, 4);
  expect(await take(bucket, 10)).toMatchObject({ granted: 4 });
  await returnTokens(field.db, bucket, 0);
  expect(await take(bucket, 10)).toMatchObject({ granted: 0 });
});

test('workers that ask at once share the tokens', async () => {
  const bucket = bucketOf({ ratePerSecond: 0.001, burst: 20 });
  const grants = await Promise.all(Array.from({ length: 12 }, () => take(bucket, 3)));
  expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBe(20);
});

test('"slower" stops everybody for as long as the vendor said, halves the rate, and the rate comes back', async () => {
  const bucket = bucketOf({ ratePerSecond: 10, burst: 10 });
  const beganAt = performance.now();
  await blockTokens(field.db, bucket.companyId, bucket.key, 300_000, 0.5);
  const { granted, waitMs } = await take(bucket, 5);
  expect(granted).toBe(0);
  expect(waitMs).toBeGreaterThan(200_000);
  expect(waitMs).toBeLessThanOrEqual(300_000);
  await age(bucket, 5_000);
  await take(bucket, 10);
  const factor = async (): Promise<number> => {
    const rows = await query<{ factor: number }>(
      field.adminUrl,
      'SELECT factor FROM rate_buckets WHERE company_id = $1',
      [bucket.companyId],
    );
    return rows[0]!.factor;
  };
  // A tenth in five seconds, those of this test among them.
  const seconds = 5 + (performance.now() - beganAt) / 1_000;
  expect(await factor()).toBeGreaterThan(0.599);
  expect(await factor()).toBeLessThan(0.501 + seconds / 50);
  await age(bucket, 300_000);
  await take(bucket, 1);
  expect(await factor()).toBe(1);
});

test('a storm of "slower" never lowers the rate to nothing', async () => {
  const bucket = bucketOf();
  for (let times = 0; times < 12; times += 1)
    await blockTokens(field.db, bucket.companyId, bucket.key, 0, 0.5);
  await age(bucket, 10);
  const { waitMs } = await take(bucket, 1);
  expect(waitMs).toBeLessThanOrEqual(1_000);
});

test('a shorter "slower" does not end a longer one', async () => {
  const bucket = bucketOf();
  await blockTokens(field.db, bucket.companyId, bucket.key, 90_000, 1);
  await blockTokens(field.db, bucket.companyId, bucket.key, 100, 1);
  expect((await take(bucket, 1)).waitMs).toBeGreaterThan(30_000);
});

test('a throttle grants one, and the next after its spacing; a place given back is free at once', async () => {
  const bucket = bucketOf({ ratePerSecond: 1_000, burst: 1, spacingMs: 300_000 });
  expect(await take(bucket, 1)).toMatchObject({ granted: 1 });
  expect((await take(bucket, 1)).waitMs).toBeGreaterThan(200_000);
  await returnTokens(field.db, bucket, 1);
  expect(await take(bucket, 1)).toMatchObject({ granted: 1 });
  await age(bucket, 300_000);
  expect(await take(bucket, 1)).toMatchObject({ granted: 1 });
});

test('a clock that is set back holds nobody up', async () => {
  const bucket = bucketOf({ ratePerSecond: 50, burst: 5 });
  await take(bucket, 5);
  // As if the last look had been an hour later than now.
  await age(bucket, -3_600_000);
  const { waitMs } = await take(bucket, 1);
  expect(waitMs).toBeLessThanOrEqual(100);
});

test('one company’s bucket is not another’s, though it has the same name', async () => {
  const [mine, theirs] = [bucketOf({ ratePerSecond: 0.001 }), bucketOf({ ratePerSecond: 0.001 })];
  await take(mine, 10);
  expect(await take(theirs, 10)).toMatchObject({ granted: 10 });
});
