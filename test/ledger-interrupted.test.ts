import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLedgerCommand, type LedgerCommand } from '../dev/ledger/commands';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import { fillOldMonth, makeOldMonth, OLD_MONTH, OLD_TABLE } from './support/old-months';
import { until } from './support/until';

jest.setTimeout(120_000);

let database: TestDatabase;
let directory: string;
let before: unknown;
beforeEach(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'regente-ledger-'));
  await makeOldMonth(database);
  // Vendor ids enough for two steps of their deletion.
  await fillOldMonth(database, 20_000);
  before = await contents();
  expect(before).toMatchObject({ rows: 38_000 });
});
afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

/** All rows of the month, as one hash. */
async function contents(): Promise<unknown> {
  const [row] = await query(
    database.adminUrl,
    `SELECT count(*)::int AS rows, md5(string_agg(row, ' ' ORDER BY row COLLATE "C")) AS hash FROM (
       SELECT c::text AS row FROM communications c WHERE ledger_month = $1
       UNION ALL SELECT p::text FROM provider_messages p WHERE ledger_month = $1) t`,
    [`${OLD_MONTH}-01`],
  );
  return row;
}
const NOTHING = { rows: 0, hash: null };

const ROOT = join(__dirname, '..');
const TSX = join(require.resolve('tsx/cli'), '../loader.mjs');
const ARCHIVE = ['ledger:archive', '--month', OLD_MONTH, '--drop', '--to'];
const RESTORE = ['ledger:restore', '--month', OLD_MONTH, '--from'];

/** `npm run admin --` in one process, whose id is the one that is killed. */
const start = (args: string[]): ChildProcess =>
  spawn(process.execPath, ['--import', TSX, 'dev/admin.ts', ...args, directory], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], MIGRATE_DATABASE_URL: database.ownerUrl },
    stdio: ['ignore', 'ignore', 'inherit'],
  });

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', resolve));

const run = (command: LedgerCommand): Promise<void> =>
  runLedgerCommand(database.ownerUrl, command, () => undefined);
const archive = (drop = true): Promise<void> =>
  run({ name: 'archive', month: OLD_MONTH, to: directory, drop });
const restore = (): Promise<void> => run({ name: 'restore', month: OLD_MONTH, from: directory });

/** How many connections of the command there are, and what the waiting one wants to do. */
const connections = (): Promise<{ query: string; waits: boolean }[]> =>
  query(
    database.adminUrl,
    `SELECT query, coalesce(wait_event_type = 'Lock', false) AS waits FROM pg_stat_activity
     WHERE datname = current_database() AND usename = 'regente_owner'`,
  );

/** Kills the command where it waits for the lock that `hold` takes, once its statement matches. */
async function killAt(args: string[], hold: string, statement: RegExp): Promise<void> {
  await withClient(database.adminUrl, async (holder) => {
    await holder.query(`BEGIN; ${hold}`);
    const child = start(args);
    await until(
      `the command waits at ${String(statement)}`,
      async () => (await connections()).some((each) => each.waits && statement.test(each.query)),
      60_000,
    );
    const exited = exitOf(child);
    child.kill('SIGKILL');
    await exited;
    await until('its connection is gone', async () => (await connections()).length === 0);
    await holder.query('COMMIT');
  });
}

const READER = 'SELECT FROM communications LIMIT 1';
const LAST_ID = `SELECT FROM provider_messages WHERE ctid = (SELECT max(ctid) FROM provider_messages) FOR UPDATE`;

describe('an archive that is killed', () => {
  test.each([
    ['while it writes its files', 'LOCK TABLE provider_messages', /COPY .* provider_messages/],
    ['while the month leaves the ledger', READER, /DETACH PARTITION/],
    ['while vendor ids are deleted', LAST_ID, /DELETE FROM provider_messages/],
  ])('%s is finished by the same command, and nothing is lost', async (_, hold, statement) => {
    await killAt(ARCHIVE, hold, statement);
    await archive();
    expect(await contents()).toEqual(NOTHING);
    await restore();
    expect(await contents()).toEqual(before);
  });

  test('before the table is dropped has lost nothing either', async () => {
    await archive(false);
    await killAt(ARCHIVE, `LOCK TABLE ${OLD_TABLE} IN ACCESS SHARE MODE`, /DROP TABLE/);
    await archive();
    await restore();
    expect(await contents()).toEqual(before);
  });

  test.each([
    ['while the month leaves the ledger', READER, /DETACH PARTITION/],
    ['while vendor ids are deleted', LAST_ID, /DELETE FROM provider_messages/],
  ])('%s can be taken back', async (_, hold, statement) => {
    await killAt(ARCHIVE, hold, statement);
    await restore();
    expect(await contents()).toEqual(before);
  });
});

test('a restore that is killed leaves nothing behind, and is finished by the same command', async () => {
  await archive();
  await killAt(
    RESTORE,
    'LOCK TABLE provider_messages IN SHARE MODE',
    /INSERT INTO provider_messages/,
  );
  expect(await contents()).toEqual(NOTHING);
  const tables = await query(database.adminUrl, 'SELECT to_regclass($1) AS it', [OLD_TABLE]);
  expect(tables).toEqual([{ it: null }]);
  await restore();
  expect(await contents()).toEqual(before);
});
