import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { runLedgerCommand, type LedgerCommand } from '../dev/ledger/commands';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import {
  fillOldMonth,
  makeOldMonth,
  OLD_MONTH,
  OLD_TABLE,
  rowsOfMonth,
  type OldCampaign,
} from './support/old-months';
import { until } from './support/until';

let database: TestDatabase;
let directory: string;
let ours: OldCampaign;
let theirs: OldCampaign;
beforeEach(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), 'regente-ledger-'));
  await makeOldMonth(database);
  ours = await fillOldMonth(database, 90);
  theirs = await fillOldMonth(database, 30);
});
afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

const force = (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(database.adminUrl, sql, values);

async function run(command: LedgerCommand): Promise<string[]> {
  const lines: string[] = [];
  await runLedgerCommand(database.ownerUrl, command, (line) => lines.push(line));
  return lines;
}

const archive = (drop = false, to = directory): Promise<string[]> =>
  run({ name: 'archive', month: OLD_MONTH, to, drop });
const restore = (from: string | undefined = directory): Promise<string[]> =>
  run({ name: 'restore', month: OLD_MONTH, from });
const place = async (): Promise<string> => {
  const months = await run({ name: 'months' });
  return months.find((line) => line.startsWith(OLD_MONTH))!.split(/ +/)[1]!;
};
const file = (name: string): string => join(directory, `ledger-${OLD_MONTH}`, name);

/** What an application of this company finds. */
const asTenant = (companyId: string, sql: string): Promise<Record<string, unknown>[]> =>
  withClient(database.appUrl, async (client) => {
    await client.query(`SELECT set_config('app.company_id', $1, false)`, [companyId]);
    return (await client.query<Record<string, unknown>>(sql)).rows;
  });

describe('an archive and its restore', () => {
  test.each([
    { drop: false, between: 'detached' },
    { drop: true, between: 'absent' },
  ])('give back every row as it was, from $between', async ({ drop, between }) => {
    const before = await rowsOfMonth(database);
    expect(before).toHaveLength(120 + 108);
    await archive(drop);
    expect(await place()).toBe(between);
    expect(await rowsOfMonth(database)).toEqual([]);
    await restore();
    expect(await place()).toBe('attached');
    expect(await rowsOfMonth(database)).toEqual(before);
  });

  test('do not wait for account mail, which nobody could finish or cancel', async () => {
    await force(
      `INSERT INTO communications (company_id, ledger_month, source_id, position, channel, source_kind, state, reason, address)
       VALUES ($1, $2, uuidv7(), 0, 'email', 'notice', 'queued', 'not_called', 'lia@example.com')`,
      theirs.companyId,
      `${OLD_MONTH}-01`,
    );
    const before = await rowsOfMonth(database);
    await archive();
    await restore();
    expect(await rowsOfMonth(database)).toEqual(before);
  });

  test('can be repeated, each of them, without another effect', async () => {
    const before = await rowsOfMonth(database);
    await archive();
    await archive();
    expect(await place()).toBe('detached');
    await archive(true);
    expect((await archive(true)).join()).toContain('has no table here');
    await restore();
    await restore();
    await archive(true);
    await restore();
    expect(await rowsOfMonth(database)).toEqual(before);
  });

  test('say of a month that the ledger does not have that it has none', async () => {
    const none = run({ name: 'archive', month: '2020-01', to: directory, drop: false });
    await expect(none).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^The ledger has no month 2020-01, .*ledger:months/),
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test('leave a table that the next month, and another archive, take for one of the ledger', async () => {
    await archive(true);
    await restore();
    const [table] = await force(
      `SELECT relispartition, relrowsecurity, pg_get_userbyid(relowner) AS owner,
         (SELECT count(*)::int FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid WHERE x.indrelid = c.oid) AS indexes
       FROM pg_class c WHERE oid = $1::regclass`,
      OLD_TABLE,
    );
    expect(table).toEqual({
      relispartition: true,
      relrowsecurity: true,
      owner: 'regente_owner',
      indexes: 1,
    });
  });

  test('are files for their owner alone, whose hashes the manifest names', async () => {
    await archive();
    const names = ['communications.csv.gz', 'manifest.json', 'provider_messages.csv.gz'];
    expect((await readdir(join(directory, `ledger-${OLD_MONTH}`))).sort()).toEqual(names);
    for (const name of names) expect((await stat(file(name))).mode & 0o077).toBe(0);
    const manifest = JSON.parse(await readFile(file('manifest.json'), 'utf8'));
    for (const part of ['communications', 'provider_messages']) {
      const csv = gunzipSync(await readFile(file(`${part}.csv.gz`)));
      const { sha256, bytes, columns } = manifest.parts[part];
      expect(createHash('sha256').update(csv).digest('hex')).toBe(sha256);
      expect(csv.length).toBe(bytes);
      expect(csv.subarray(0, csv.indexOf('\n')).toString()).toBe(columns.join(','));
    }
    expect(manifest.parts).toMatchObject({
      communications: { rows: 120 },
      provider_messages: { rows: 108 },
    });
  });

  test('hold a callback that came between writing and detaching', async () => {
    // A reader of the ledger keeps the partition from leaving until the row has been changed.
    const changed = await withClient(database.adminUrl, async (reader) => {
      await reader.query('BEGIN; SELECT FROM communications LIMIT 1');
      const archived = archive(true);
      await until('the month is leaving', async () => (await place()) === 'detaching');
      await force(
        `UPDATE ${OLD_TABLE} SET state = 'read', read_at = now() WHERE source_id = $1 AND position = 1`,
        ours.executionId,
      );
      const [row] = await force(
        `SELECT c::text FROM ${OLD_TABLE} c WHERE source_id = $1 AND position = 1`,
        ours.executionId,
      );
      await reader.query('COMMIT');
      await archived;
      return row!['c'];
    });
    await restore();
    expect(await rowsOfMonth(database)).toContain(changed);
  });
});

describe('a month is refused', () => {
  const refused = async (code: string): Promise<void> => {
    const before = await rowsOfMonth(database);
    await expect(archive(true)).rejects.toMatchObject({ code });
    expect(await place()).toBe('attached');
    expect(await rowsOfMonth(database)).toEqual(before);
    expect(await readdir(directory)).not.toContain('manifest.json');
  };

  test.each(['queued', 'sending'])('while a message is %s', async (state) => {
    await force(
      `UPDATE communications SET state = $2 WHERE source_id = $1 AND position = 3`,
      theirs.executionId,
      state,
    );
    await refused('CONFLICT');
  });

  test.each(['PENDING', 'PROCESSING', 'PAUSED', 'CANCELLING'])(
    'while an execution is %s',
    async (state) => {
      await force(
        `UPDATE campaign_executions SET state = $2 WHERE id = $1`,
        theirs.executionId,
        state,
      );
      await refused('CONFLICT');
    },
  );

  test('when a message was opened again while it was being detached, and stays in the ledger', async () => {
    await withClient(database.adminUrl, async (reader) => {
      await reader.query('BEGIN; SELECT FROM communications LIMIT 1');
      const archived = archive(true);
      const outcome = archived.then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
      await until('the month is leaving', async () => (await place()) === 'detaching');
      await force(
        `UPDATE ${OLD_TABLE} SET state = 'sending' WHERE source_id = $1 AND position = 1`,
        ours.executionId,
      );
      await reader.query('COMMIT');
      expect(await outcome).toBe('CONFLICT');
    });
    expect(await place()).toBe('attached');
    expect(await rowsOfMonth(database)).toHaveLength(228);
  });

  test('while it is this month or the one before', async () => {
    const now = new Date();
    for (const back of [0, 1]) {
      const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back));
      const month = first.toISOString().slice(0, 7);
      const young = run({ name: 'archive', month, to: directory, drop: false });
      await expect(young).rejects.toMatchObject({ code: 'CONFLICT' });
    }
  });

  test('when somebody else than the owner asks', async () => {
    const asked = runLedgerCommand(database.appUrl, { name: 'months' }, () => undefined);
    await expect(asked).rejects.toMatchObject({ code: 'CONFIGURATION' });
  });
});

describe('damaged or foreign files', () => {
  test('are never restored, and nothing is dropped on their word', async () => {
    await archive();
    const whole = await readFile(file('communications.csv.gz'));
    await writeFile(file('communications.csv.gz'), whole.subarray(0, whole.length - 20));
    await expect(restore()).rejects.toMatchObject({ code: 'VALIDATION' });
    await expect(archive(true)).rejects.toMatchObject({ code: 'VALIDATION' });
    expect(await place()).toBe('detached');
    await writeFile(file('communications.csv.gz'), whole);
    await archive(true);
    await restore();
    expect(await rowsOfMonth(database)).toHaveLength(228);
  });

  test('of another directory are not written over those that a month was sealed with', async () => {
    await archive();
    const elsewhere = await mkdtemp(join(tmpdir(), 'regente-ledger-'));
    await expect(archive(true, elsewhere)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await rm(elsewhere, { recursive: true });
    expect(await place()).toBe('detached');
  });
});

describe('the application', () => {
  const paths = [OLD_TABLE, `ONLY ${OLD_TABLE}`, `public.${OLD_TABLE}`];

  test.each(['detached', 'restored'])(
    'reads no row of a %s month around the policy',
    async (state) => {
      await archive(state === 'restored');
      if (state === 'restored') await restore();
      for (const path of paths)
        for (const sql of [
          `SELECT FROM ${path}`,
          `UPDATE ${path} SET cost = 0`,
          `DELETE FROM ${path}`,
        ])
          await expect(asTenant(ours.companyId, sql)).rejects.toMatchObject({ code: '42501' });
      await expect(asTenant(ours.companyId, `COPY ${OLD_TABLE} TO STDOUT`)).rejects.toMatchObject({
        code: '42501',
      });
      const seen = await asTenant(ours.companyId, 'SELECT DISTINCT company_id FROM communications');
      expect(seen).toEqual(state === 'restored' ? [{ company_id: ours.companyId }] : []);
      expect(await asTenant(randomUUID(), 'SELECT FROM communications')).toEqual([]);
    },
  );

  test('finds nothing there even with a grant that somebody gave by mistake', async () => {
    await archive(true);
    await restore();
    await force(`GRANT SELECT, UPDATE ON ${OLD_TABLE} TO regente_app`);
    expect(await asTenant(ours.companyId, `SELECT FROM ${OLD_TABLE}`)).toEqual([]);
    await run({ name: 'archive', month: OLD_MONTH, to: directory, drop: false });
    expect(await asTenant(ours.companyId, `SELECT FROM ${OLD_TABLE}`)).toEqual([]);
  });
});
