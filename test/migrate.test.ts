import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrapDatabase, type DatabaseUrls } from '../dev/stack/bootstrap';
import { temporaryFolder } from '../dev/stack/folders';
import { startPostgres, type Postgres } from '../dev/stack/postgres';
import { migrate } from '../prisma/migrate';
import { fromSetup, inDatabase, query, withClient } from './support/database';
import { until } from './support/until';

const FOLDER = join(__dirname, '../prisma/migrations');
const NAMES = readdirSync(FOLDER)
  .filter((name) => /^\d{14}_/.test(name))
  .sort();
const RECORDS = 'SELECT * FROM _prisma_migrations ORDER BY started_at, migration_name';
const TABLES = `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`;

const made: string[] = [];
afterAll(async () => {
  const adminUrl = fromSetup('TEST_ADMIN_URL');
  for (const name of made) await query(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`);
});

/** A database of the owner with nothing in it. */
async function emptyDatabase(): Promise<DatabaseUrls> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  made.push(name);
  return bootstrapDatabase({
    adminUrl: fromSetup('TEST_ADMIN_URL'),
    name,
    ownerPassword: new URL(fromSetup('TEST_TEMPLATE_OWNER_URL')).password,
    appPassword: new URL(fromSetup('TEST_TEMPLATE_APP_URL')).password,
  });
}

describe('migrate', () => {
  test('applies every migration in order, and nothing when it runs again', async () => {
    const urls = await emptyDatabase();
    expect(await migrate(urls)).toEqual(NAMES);
    const before = [await query(urls.ownerUrl, RECORDS), await query(urls.ownerUrl, TABLES)];
    expect(await migrate(urls)).toEqual([]);
    expect([await query(urls.ownerUrl, RECORDS), await query(urls.ownerUrl, TABLES)]).toEqual(
      before,
    );
  });

  test('applies each once when several run at the same time', async () => {
    const urls = await emptyDatabase();
    const runs = await Promise.all([migrate(urls), migrate(urls), migrate(urls)]);
    expect(runs.flat().sort()).toEqual(NAMES);
    expect(await query(urls.ownerUrl, RECORDS)).toHaveLength(NAMES.length);
  });

  test("records what it applied as Prisma's own tool does", async () => {
    const urls = await emptyDatabase();
    await migrate(urls);
    const columns = await query<{ words: string }>(
      urls.ownerUrl,
      `SELECT concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
           pg_get_expr(d.adbin, d.adrelid)) AS words
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = '_prisma_migrations'::regclass AND a.attnum > 0 ORDER BY a.attnum`,
    );
    expect(columns.map(({ words }) => words)).toEqual([
      'id character varying(36) not null',
      'checksum character varying(64) not null',
      'finished_at timestamp with time zone',
      'migration_name character varying(255) not null',
      'logs text',
      'rolled_back_at timestamp with time zone',
      'started_at timestamp with time zone not null now()',
      'applied_steps_count integer not null 0',
    ]);
    const records = await query<{ started_at: Date; finished_at: Date }>(urls.ownerUrl, RECORDS);
    expect(records).toEqual(
      NAMES.map((name) => ({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        checksum: createHash('sha256')
          .update(readFileSync(join(FOLDER, name, 'migration.sql')))
          .digest('hex'),
        migration_name: name,
        started_at: expect.any(Date),
        finished_at: expect.any(Date),
        logs: null,
        rolled_back_at: null,
        applied_steps_count: 1,
      })),
    );
    for (const { started_at: start, finished_at: end } of records) {
      expect(end.getTime()).toBeGreaterThanOrEqual(start.getTime());
    }
  });

  test('refuses a file that was changed after it was applied, and applies nothing then', async () => {
    const urls = await emptyDatabase();
    await migrate(urls);
    const [first = '', last = ''] = [NAMES[0], NAMES.at(-1)];
    await query(
      urls.ownerUrl,
      `UPDATE _prisma_migrations SET checksum = repeat('0', 64) WHERE migration_name = $1`,
      [first],
    );
    await query(urls.ownerUrl, 'DELETE FROM _prisma_migrations WHERE migration_name = $1', [last]);
    await expect(migrate(urls)).rejects.toThrow(first);
    expect(await query(urls.ownerUrl, RECORDS)).toHaveLength(NAMES.length - 1);
  });

  test('leaves nothing of a migration that fails, and goes on there once the cause is gone', async () => {
    const urls = await emptyDatabase();
    await query(urls.ownerUrl, 'CREATE TABLE templates (id int)');
    await expect(migrate(urls)).rejects.toThrow(/_money failed: .*templates/);
    const tables = (await query(urls.ownerUrl, TABLES)).map(({ relname }) => relname);
    expect(tables).toContain('users');
    expect(tables).not.toContain('wallets');
    await query(urls.ownerUrl, 'DROP TABLE templates');
    expect(await migrate(urls)).toEqual(NAMES.slice(1));
  });
});

describe('migrate on a server that has no roles yet', () => {
  let folder: string;
  let server: Postgres;
  beforeAll(async () => {
    folder = await temporaryFolder();
    const logFile = join(folder, 'postgres.log');
    server = await startPostgres({ dataDir: join(folder, 'postgres'), logFile, durable: false });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const urlOf = (user: string, name: string): string => {
    const url = new URL(inDatabase(server.url, name));
    url.username = user;
    url.password = 'x';
    return url.href;
  };

  test('tells an owner who may make none what an administrator has to run, and works after that', async () => {
    await query(server.url, `CREATE ROLE plain LOGIN PASSWORD 'x'`);
    await query(server.url, 'CREATE DATABASE plain OWNER plain');
    const urls = { ownerUrl: urlOf('plain', 'plain'), appUrl: urlOf('regente_app', 'plain') };
    const error = await migrate(urls).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'RegenteError', code: 'CONFIGURATION' });
    const statements = (error as Error).message.match(/^(CREATE|GRANT) .*;$/gm) ?? [];
    expect(statements).toHaveLength(3);
    for (const statement of statements) await query(server.url, statement);
    await query(server.url, `ALTER ROLE regente_app PASSWORD 'x'`);
    expect(await migrate(urls)).toEqual(NAMES);
    expect(await query(urls.appUrl, 'SELECT FROM wallets')).toEqual([]);
  });

  test('makes them itself as an owner who may, with the password of the application', async () => {
    await query(server.url, 'DROP DATABASE IF EXISTS plain');
    await query(server.url, 'DROP ROLE IF EXISTS regente_app');
    await query(server.url, 'DROP ROLE IF EXISTS regente_definer');
    await query(server.url, `CREATE ROLE maker LOGIN CREATEROLE BYPASSRLS PASSWORD 'x'`);
    await query(server.url, 'CREATE DATABASE made OWNER maker');
    const urls = { ownerUrl: urlOf('maker', 'made'), appUrl: urlOf('regente_app', 'made') };
    expect(await migrate(urls)).toEqual(NAMES);
    expect(await query(urls.appUrl, 'SELECT FROM wallets')).toEqual([]);
  });

  test('goes on when a run on another database of the server makes the same role in the same moment', async () => {
    for (const name of ['plain', 'made'])
      await query(server.url, `DROP DATABASE IF EXISTS ${name}`);
    for (const name of ['regente_app', 'regente_definer']) {
      await query(server.url, `DROP ROLE IF EXISTS ${name}`);
    }
    await query(server.url, 'CREATE DATABASE beside');
    const urls = {
      ownerUrl: inDatabase(server.url, 'beside'),
      appUrl: urlOf('regente_app', 'beside'),
    };
    await withClient(server.url, async (other) => {
      await other.query('BEGIN; CREATE ROLE regente_definer NOLOGIN BYPASSRLS');
      const running = migrate(urls);
      await until('it waits for the other to decide', async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE ROLE%'`;
        return (await query(server.url, waiting)).length > 0;
      });
      await other.query('COMMIT');
      expect(await running).toEqual(NAMES);
    });
    expect(await query(urls.appUrl, 'SELECT FROM wallets')).toEqual([]);
  });
});
