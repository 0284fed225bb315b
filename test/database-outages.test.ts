import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { toFailure } from '../activities/errors';
import { RegenteError } from '../domain/errors';
import { withTenant, withTenantConnection } from '../prisma/tenant';
import { startTestApi, type TestApi } from './support/api';
import { query } from './support/database';
import { until } from './support/until';

let api: TestApi;
let companyId: string;
let holder: Client;
beforeAll(async () => {
  api = await startTestApi();
  ({ companyId } = api.first);
  holder = new Client({ connectionString: api.database.adminUrl });
  await holder.connect();
});
afterAll(async () => {
  await holder.end();
  await api.close();
});

const unavailable = { code: 'UNAVAILABLE', details: { component: 'database' } };

let wallets = 0;
async function wallet(): Promise<string> {
  const body = { name: `Carteira ${(wallets += 1)}`, idgisAmbiente: wallets };
  return (await api.request('POST', '/v1/wallets', { as: api.first.director, body })).body.id;
}

/** Runs `work` while somebody else holds the wallet. */
async function whileHeld<T>(id: string, work: () => Promise<T>): Promise<T> {
  await holder.query('BEGIN');
  await holder.query('SELECT FROM wallets WHERE id = $1 FOR UPDATE', [id]);
  try {
    return await work();
  } finally {
    await holder.query('ROLLBACK');
  }
}

/** The connections that wait for a lock in this database, or for what `holder` has locked. */
const waiting = async (): Promise<number[]> =>
  (
    await query<{ pid: number }>(
      api.database.adminUrl,
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
  ).map(({ pid }) => pid);

async function failureOf(work: Promise<unknown>): Promise<RegenteError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RegenteError);
  return error as RegenteError;
}

describe('two that wait for each other', () => {
  test.each(['through Prisma', 'by raw statement', 'on a plain connection'])(
    'say UNAVAILABLE to one of them, which can try again, %s',
    async (way) => {
      const [a, b] = [await wallet(), await wallet()];
      let met = 0;
      const bothHoldOne = async (): Promise<void> => {
        met += 1;
        await until('both hold one', () => met === 2);
      };
      const sql = `UPDATE wallets SET name = name WHERE id = $1`;
      const cross = (first: string, then: string): Promise<unknown> => {
        if (way === 'on a plain connection')
          return withTenantConnection(api.deps.db, companyId, async (connection) => {
            await connection.query(sql, [first]);
            await bothHoldOne();
            await connection.query(sql, [then]);
          });
        return withTenant(api.deps.db, companyId, async (tx) => {
          const touch = async (id: string): Promise<void> => {
            if (way === 'through Prisma')
              await tx.wallet.update({ where: { id }, data: { name: `x ${id}` } });
            else await tx.$executeRawUnsafe(sql.replace('$1', '$1::uuid'), id);
          };
          await touch(first);
          await bothHoldOne();
          await touch(then);
        });
      };
      const ends = await Promise.allSettled([cross(a, b), cross(b, a)]);
      const lost = ends.filter((end) => end.status === 'rejected');
      expect(lost).toHaveLength(1);
      const error: unknown = lost[0]?.reason;
      expect(error).toMatchObject({ ...unavailable, retryAfterMs: expect.any(Number) });
      expect(toFailure(error)).toMatchObject({
        type: 'UNAVAILABLE',
        nonRetryable: false,
        nextRetryDelay: expect.any(Number),
      });
    },
  );
});

test('a change on a snapshot that is no longer true says UNAVAILABLE', async () => {
  const id = await wallet();
  const stale = withTenantConnection(api.deps.db, companyId, async (connection) => {
    await connection.query('COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ');
    await connection.query(`SELECT set_config('app.company_id', $1, true)`, [companyId]);
    await query(api.database.adminUrl, `UPDATE wallets SET name = 'outro' WHERE id = $1`, [id]);
    await connection.query(`UPDATE wallets SET name = 'meu' WHERE id = $1`, [id]);
  });
  expect(await failureOf(stale)).toMatchObject(unavailable);
});

describe('a lock that takes too long', () => {
  test.each(['lock_timeout', 'statement_timeout'])(
    'says UNAVAILABLE by %s, in every way',
    async (setting) => {
      const id = await wallet();
      await whileHeld(id, async () => {
        const limit = `SET LOCAL ${setting} = '50ms'`;
        const byModel = withTenant(api.deps.db, companyId, async (tx) => {
          await tx.$executeRawUnsafe(limit);
          await tx.wallet.update({ where: { id }, data: { name: 'x' } });
        });
        expect(await failureOf(byModel)).toMatchObject(unavailable);
        const plain = withTenantConnection(api.deps.db, companyId, async (connection) => {
          await connection.query(limit);
          await connection.query('SELECT FROM wallets WHERE id = $1 FOR UPDATE', [id]);
        });
        expect(await failureOf(plain)).toMatchObject(unavailable);
      });
    },
  );
});

describe('over HTTP', () => {
  const rename = (id: string) =>
    api.request('PATCH', `/v1/wallets/${id}`, {
      as: api.first.director,
      body: { name: `Outra ${randomUUID()}` },
    });

  test('a connection that the server ends is 503 with Retry-After, and the next request works', async () => {
    const id = await wallet();
    const answer = await whileHeld(id, async () => {
      const asked = rename(id);
      await until('it waits', async () => (await waiting()).length === 1);
      const [pid] = await waiting();
      await query(api.database.adminUrl, 'SELECT pg_terminate_backend($1, 5000)', [pid]);
      return asked;
    });
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await rename(id)).status).toBe(200);
  });

  test('a statement that somebody cancels is 503 with Retry-After', async () => {
    const id = await wallet();
    const answer = await whileHeld(id, async () => {
      const asked = rename(id);
      await until('it waits', async () => (await waiting()).length === 1);
      const [pid] = await waiting();
      await query(api.database.adminUrl, 'SELECT pg_cancel_backend($1)', [pid]);
      return asked;
    });
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });
});
