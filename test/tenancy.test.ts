import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { openDatabase } from '../prisma/client';
import { withTenant, withTenantConnection } from '../prisma/tenant';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import { createBroker, createCompany, createWallet } from './support/factories';
import { insertSamples, insertStatement, type Row } from './support/sample-rows';

const DENIED = '42501';
const OURS = randomUUID();
const THEIRS = randomUUID();

let database: TestDatabase;
let theirRows: Map<string, Row>;
beforeAll(async () => {
  database = await createTestDatabase();
  theirRows = await withClient(database.adminUrl, async (admin) => {
    await insertSamples(admin, OURS);
    return insertSamples(admin, THEIRS);
  });
});
afterAll(() => database.drop());

/** Runs statements as the application; `companyId` null: without a tenant. */
function asApplication<T>(
  companyId: string | null,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  return withClient(database.appUrl, async (client) => {
    if (companyId !== null) {
      await client.query(`SELECT set_config('app.company_id', $1, false)`, [companyId]);
    }
    return work(client);
  });
}

/** How many rows a statement touched; a statement that the role may not run touches none. */
async function touched(client: Client, statement: string, values: unknown[]): Promise<number> {
  try {
    return (await client.query(statement, values)).rowCount ?? 0;
  } catch (error) {
    if ((error as { code?: string }).code === DENIED) return 0;
    throw error;
  }
}

const keyOf = (table: string): string => (table === 'companies' ? 'id' : 'company_id');

/** Runs the check on every table at once and answers those where it did not hold. */
async function tablesWhere(
  holds: (table: string, client: Client) => Promise<boolean>,
  companyId: string | null,
): Promise<string[]> {
  return asApplication(companyId, async (client) => {
    const found: string[] = [];
    for (const table of theirRows.keys()) if (await holds(table, client)) found.push(table);
    return found;
  });
}

async function refuses(
  client: Client,
  statement: { text: string; values: unknown[] },
): Promise<boolean> {
  const code = await client.query(statement).then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );
  return code === DENIED;
}

describe("another company's rows", () => {
  test('are there, in every table, so that the following means something', async () => {
    expect(theirRows.size).toBeGreaterThanOrEqual(30);
    for (const table of theirRows.keys()) {
      const rows = await query(
        database.adminUrl,
        `SELECT FROM ${table} WHERE ${keyOf(table)} = ANY ($1)`,
        [[OURS, THEIRS]],
      );
      expect([table, rows.length]).toEqual([table, 2]);
    }
  });

  test('are not seen, while our own are', async () => {
    const wrong = await tablesWhere(async (table, client) => {
      const { rows } = await client.query<{ company: string }>(
        `SELECT ${keyOf(table)} AS company FROM ${table}`,
      );
      return rows.length !== 1 || rows[0]?.company !== OURS;
    }, OURS);
    expect(wrong).toEqual([]);
  });

  test('are neither changed nor deleted', async () => {
    const reached = await tablesWhere(async (table, client) => {
      const key = keyOf(table);
      const update = `UPDATE ${table} SET ${key} = ${key} WHERE ${key} = $1`;
      const remove = `DELETE FROM ${table} WHERE ${key} = $1`;
      const values = [THEIRS];
      return (await touched(client, update, values)) + (await touched(client, remove, values)) > 0;
    }, OURS);
    expect(reached).toEqual([]);
  });

  test('cannot be written in their name', async () => {
    const accepted = await tablesWhere(async (table, client) => {
      return !(await refuses(client, insertStatement(table, theirRows.get(table) ?? {})));
    }, OURS);
    expect(accepted).toEqual([]);
  });

  test('cannot be made of our own', async () => {
    const accepted = await tablesWhere(async (table, client) => {
      return !(await refuses(client, {
        text: `UPDATE ${table} SET ${keyOf(table)} = $1`,
        values: [THEIRS],
      }));
    }, OURS);
    expect(accepted).toEqual([]);
  });

  test('cannot be referred to by ours: the foreign key includes the company', async () => {
    const walletId = await createWallet(database.db, THEIRS);
    const brokerId = await createBroker(database.db, OURS);
    const data = { encryptedConfig: '', configKeys: [], webhookToken: 'x', brokerId, walletId };
    const attempt = withTenant(database.db, OURS, (tx) =>
      tx.credential.create({ data: { companyId: OURS, ...data } }),
    );
    await expect(attempt).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('without a tenant', () => {
  test('nothing is seen', async () => {
    const seen = await tablesWhere(
      async (table, client) => (await client.query(`SELECT FROM ${table}`)).rowCount !== 0,
      null,
    );
    expect(seen).toEqual([]);
  });

  test('nothing can be written', async () => {
    const accepted = await tablesWhere(async (table, client) => {
      return !(await refuses(client, insertStatement(table, theirRows.get(table) ?? {})));
    }, null);
    expect(accepted).toEqual([]);
  });

  test("the tables' owner sees nothing either", async () => {
    for (const table of theirRows.keys()) {
      expect([table, await query(database.ownerUrl, `SELECT FROM ${table}`)]).toEqual([table, []]);
    }
  });
});

describe('a pooled connection', () => {
  /** One connection in each pool, so that the next query gets the one that was just used. */
  const withOneConnection = async (
    work: (db: ReturnType<typeof openDatabase>) => Promise<void>,
  ) => {
    const db = openDatabase({ url: database.appUrl, maxConnections: 1 });
    try {
      await work(db);
    } finally {
      await db.close();
    }
  };
  const visible = async (db: ReturnType<typeof openDatabase>): Promise<unknown[]> => [
    await db.prisma.wallet.count(),
    (await db.pool.query('SELECT FROM wallets')).rowCount,
  ];
  const failure = new Error('the work failed');

  test('shows the company within its transaction only', () =>
    withOneConnection(async (db) => {
      expect(await withTenant(db, OURS, (tx) => tx.company.findMany())).toHaveLength(1);
      expect(
        await withTenantConnection(db, OURS, (connection) =>
          connection.query('SELECT FROM companies'),
        ),
      ).toMatchObject({ rowCount: 1 });
      expect(await visible(db)).toEqual([0, 0]);
    }));

  test('keeps no company after an error', () =>
    withOneConnection(async (db) => {
      const fail = (): Promise<never> => Promise.reject(failure);
      await expect(withTenant(db, OURS, fail)).rejects.toBe(failure);
      await expect(withTenantConnection(db, OURS, fail)).rejects.toBe(failure);
      const broken = withTenant(db, OURS, (tx) => tx.$queryRaw`SELECT 1 / 0`);
      await expect(broken).rejects.toThrow();
      expect(await visible(db)).toEqual([0, 0]);
    }));

  test('serves one company after another, each its own', () =>
    withOneConnection(async (db) => {
      for (const companyId of [OURS, THEIRS, OURS]) {
        const companies = await withTenant(db, companyId, (tx) => tx.company.findMany());
        expect(companies.map(({ id }) => id)).toEqual([companyId]);
      }
    }));
});

describe('withTenant', () => {
  test('undoes everything when the work fails', async () => {
    const slug = 'desfeita';
    const companyId = randomUUID();
    const attempt = withTenant(database.db, companyId, async (tx) => {
      await tx.company.create({ data: { id: companyId, name: 'Desfeita', slug } });
      throw new Error('the work failed');
    });
    await expect(attempt).rejects.toThrow('the work failed');
    expect(await createCompany(database.db, { id: companyId, slug })).toBe(companyId);
  });

  test('says CONFLICT for a value that is taken', async () => {
    await createWallet(database.db, OURS, { idgisAmbiente: -7 });
    const again = createWallet(database.db, OURS, { idgisAmbiente: -7 });
    await expect(again).rejects.toMatchObject({ name: 'RegenteError', code: 'CONFLICT' });
  });

  test('says CONFLICT for a slug that another company has, and does not show whose', async () => {
    const { slug } = theirRows.get('companies') as { slug: string };
    const error = await createCompany(database.db, { slug }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONFLICT', details: {} });
  });

  test('says CONFLICT when what is deleted is in use', async () => {
    const { wallet_id: id } = theirRows.get('credentials') as { wallet_id: string };
    const removal = withTenant(database.db, THEIRS, (tx) => tx.wallet.delete({ where: { id } }));
    await expect(removal).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('says NOT_FOUND for what is not there and for what belongs to another company', async () => {
    const { id } = theirRows.get('wallets') as { id: string };
    for (const absent of [id, randomUUID()]) {
      const change = withTenant(database.db, OURS, (tx) =>
        tx.wallet.update({ where: { id: absent }, data: { name: 'x' } }),
      );
      await expect(change).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('says VALIDATION for a text with U+0000', async () => {
    const attempt = createWallet(database.db, OURS, { name: 'a\u0000b' });
    await expect(attempt).rejects.toMatchObject({ code: 'VALIDATION' });
  });

  test('says UNAVAILABLE when nobody listens', async () => {
    const url = new URL(database.appUrl);
    url.port = '1';
    const db = openDatabase({ url: url.href });
    const unavailable = { code: 'UNAVAILABLE', details: { component: 'database' } };
    const attempt = withTenant(db, OURS, (tx) => tx.wallet.count());
    await expect(attempt).rejects.toMatchObject(unavailable);
    const plain = withTenantConnection(db, OURS, (connection) => connection.query('SELECT 1'));
    await expect(plain).rejects.toMatchObject(unavailable);
    await db.close();
  });

  const endConnection = async (pid: number): Promise<void> => {
    await query(database.adminUrl, 'SELECT pg_terminate_backend($1, 5000)', [pid]);
  };

  test('says UNAVAILABLE when the server ends the connection in the middle, and works again', async () => {
    const attempt = withTenant(database.db, OURS, async (tx) => {
      const [row] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      await endConnection(row?.pid ?? 0);
      await tx.wallet.count();
    });
    await expect(attempt).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await withTenant(database.db, OURS, (tx) => tx.company.count())).toBe(1);
  });

  test('survives on a plain connection as well, also while no query runs', async () => {
    const attempt = withTenantConnection(database.db, OURS, async (connection) => {
      const { rows } = await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const lost = new Promise<void>((resolve) => connection.once('end', resolve));
      await endConnection(rows[0]?.pid ?? 0);
      await lost;
      await connection.query('SELECT 1');
    });
    await expect(attempt).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const count = await withTenantConnection(database.db, OURS, (connection) =>
      connection.query('SELECT FROM companies'),
    );
    expect(count.rowCount).toBe(1);
  });
});
