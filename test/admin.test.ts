import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { announceDev, readRunning } from '../dev/running';
import { checkoutFolder } from '../dev/stack/folders';
import { startTestApi, type TestApi } from './support/api';
import { auditOf } from './support/audit';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const ROOT = join(__dirname, '..');
const TSX = require.resolve('tsx/cli');

interface Run {
  status: number | null;
  out: string;
  err: string;
}

/** As `npm run admin --` does it, in a process of its own. */
async function admin(
  args: string[],
  env: Record<string, string> = {},
  cwd: string = ROOT,
): Promise<Run> {
  const child = spawn(process.execPath, [TSX, join(ROOT, 'dev/admin.ts'), ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: api.database.appUrl,
      PUBLIC_URL: 'https://regente.example',
      ...env,
    },
  });
  const run: Run = { status: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.err += chunk.toString()));
  run.status = await new Promise((resolve) => child.on('close', resolve));
  return run;
}

const field = ({ out }: Run, name: string): string =>
  new RegExp(`^${name} +(\\S+)`, 'm').exec(out)?.[1] ?? '';

test('a company, its director and a key are made with three commands, and all of them work', async () => {
  const company = await admin(['company:create', '--slug', 'acme', '--name', 'Acme Ltda']);
  expect(company).toMatchObject({ status: 0, err: '' });

  const who = ['--company', 'acme', '--email', 'Ana@Acme.example', '--name', 'Ana'];
  const user = await admin(['user:create', ...who, '--role', 'DIRECTOR']);
  expect(user).toMatchObject({ status: 0, err: '' });
  expect(field(user, 'invitation')).toBe(
    `https://regente.example/conta/convite?token=${field(user, 'token')}`,
  );
  const acceptance = { token: field(user, 'token'), password: 'girafa-lanterna-7' };
  const accepted = await api.request('POST', '/v1/invitations/accept', { body: acceptance });
  expect(accepted.status).toBe(204);
  const login = { email: 'ana@acme.example', password: 'girafa-lanterna-7' };
  expect((await api.request('POST', '/v1/sessions', { body: login })).status).toBe(201);

  const key = await admin(['key:create', '--company', 'acme', '--name', 'ERP', '--scopes', 'all']);
  const me = await api.request('GET', '/v1/me', { as: { token: field(key, 'key') } });
  expect(me.body).toMatchObject({ type: 'key', company: { slug: 'acme' } });
  expect(me.body.permissions).not.toContain('companies:manage');

  const [line] = await auditOf(api.deps.db, field(company, 'id'), field(key, 'id'));
  expect(line).toMatchObject({ actorType: 'system', action: 'api_key.create' });
});

test('a person with a password can log in at once', async () => {
  const who = ['--company', api.first.slug, '--email', 'rui@acme.example', '--name', 'Rui'];
  const made = await admin([
    'user:create',
    ...who,
    '--role',
    'AGENT',
    '--password',
    'girafa-lanterna-8',
  ]);
  expect(made.status).toBe(0);
  expect(made.out).not.toContain('girafa');
  const login = { email: 'rui@acme.example', password: 'girafa-lanterna-8' };
  expect((await api.request('POST', '/v1/sessions', { body: login })).status).toBe(201);
});

test('staff of the operator is made in the platform company', async () => {
  const who = ['--company', 'regente', '--email', 'staff@regente.example', '--name', 'Staff'];
  const made = await admin(['user:create', ...who, '--role', 'ADMIN']);
  expect(made.status).toBe(0);
  const elsewhere = ['--company', api.first.slug, '--email', 'x@regente.example', '--name', 'X'];
  const refused = await admin(['user:create', ...elsewhere, '--role', 'ADMIN']);
  expect(refused).toMatchObject({ status: 1, out: '', err: expect.stringContaining('platform') });
});

test('the stack that npm run dev runs in this checkout is found, and not once it has ended', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'regente-running-'));
  try {
    expect(readRunning(dir)).toBeNull();
    const running = {
      databaseUrl: api.database.appUrl,
      ownerUrl: api.database.ownerUrl,
      publicUrl: 'http://localhost:3000',
    };
    const takeBack = await announceDev(dir, running);
    expect(readRunning(dir)).toEqual(running);
    const path = join(dir, 'running.json');
    const killed = readFileSync(path, 'utf8').replace(/"stamp":"[^"]*"/, '"stamp":"1"');
    writeFileSync(path, killed);
    expect(readRunning(dir)).toBeNull();
    await takeBack();
    expect(readRunning(dir)).toBeNull();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

describe('what cannot be done', () => {
  test.each([
    ['no such command', ['company:destroy'], 'There is no command company:destroy'],
    ['an unknown option', ['company:create', '--sulg', 'x'], '--sulg'],
    ['missing options', ['company:create'], '--slug is missing\n--name is missing'],
    [
      'a bad value',
      ['company:create', '--slug', 'A B', '--name', 'x'],
      '--slug: must be lower-case',
    ],
    [
      'a bad zone',
      ['company:create', '--slug', 'x', '--name', 'x', '--time-zone', 'y'],
      '--time-zone',
    ],
    ['no company', ['key:create', '--name', 'x', '--scopes', 'all'], '--company is missing'],
    ['no month', ['ledger:archive', '--to', 'x'], '--month is missing'],
    ['no directory', ['ledger:archive', '--month', '2026-08', '--drop'], '--to is missing'],
    ['a bad month', ['ledger:restore', '--month', '2026-13'], '2026-13 is not a month'],
    ['a bad scope', ['key:create', '--company', 'x', '--name', 'x', '--scopes', 'y'], '--scopes'],
  ])('%s is a usage error that names it', async (_, args, message) => {
    const run = await admin(args);
    expect(run).toMatchObject({ status: 64, out: '' });
    expect(run.err).toContain(message);
    expect(run.err).toContain('Usage: npm run admin');
  });

  test('an unknown company, a taken slug and a weak password end with 1 and a reason', async () => {
    const { slug } = api.first;
    const key = ['--name', 'x', '--scopes', 'all'];
    const user = ['--company', slug, '--email', 'z@acme.example', '--name', 'Z', '--role', 'AGENT'];
    const runs = [
      await admin(['key:create', '--company', 'nenhuma', ...key]),
      await admin(['company:create', '--slug', slug, '--name', 'Outra']),
      await admin(['user:create', ...user, '--password', 'password123']),
    ];
    expect(runs.map(({ status }) => status)).toEqual([1, 1, 1]);
    expect(runs.map(({ err }) => err)).toEqual([
      expect.stringContaining('There is no company nenhuma'),
      expect.stringContaining('already has this slug'),
      expect.stringContaining('most common passwords'),
    ]);
  });

  test('without a database, and where no stack runs, it says which variable is missing and both ways', async () => {
    const words = ['company:create', '--slug', 'x', '--name', 'X'];
    const run = await admin(words, { DATABASE_URL: '' }, tmpdir());
    expect(run.status).toBe(78);
    expect(run.err).toContain('DATABASE_URL is not set');
    expect(run.err).toMatch(/Set DATABASE_URL .* or start npm run dev/);
  });

  test('the ledger is for the owner of the tables', async () => {
    expect(await admin(['ledger:months'])).toMatchObject({
      status: 78,
      err: expect.stringContaining('MIGRATE_DATABASE_URL'),
    });
    const { status, err } = await admin(['ledger:months'], {
      MIGRATE_DATABASE_URL: api.database.appUrl,
    });
    expect({ status, err }).toEqual({ status: 1, err: expect.stringContaining('owner') });
    const { out } = await admin(['ledger:months'], {
      MIGRATE_DATABASE_URL: api.database.ownerUrl,
    });
    expect(out).toMatch(/^\d{4}-\d{2} +attached +0 +\d/m);
  });

  test('the ledger of npm run dev is used where no database is named, and never beside another', async () => {
    const checkout = mkdtempSync(join(tmpdir(), 'regente-checkout-'));
    const { appUrl, ownerUrl } = api.database;
    const dir = await checkoutFolder(checkout);
    mkdirSync(dir, { recursive: true });
    const running = { databaseUrl: appUrl, ownerUrl, publicUrl: 'http://localhost:3000' };
    const takeBack = await announceDev(dir, running);
    try {
      const used = await admin(['ledger:months'], { DATABASE_URL: '' }, checkout);
      expect(used).toMatchObject({
        status: 0,
        err: expect.stringMatching(/^Uses the database of /),
      });
      expect(used.err).not.toContain(new URL(ownerUrl).password);
      expect(used.out).toMatch(/^\d{4}-\d{2} +attached/m);
      const named = await admin(['ledger:months'], {}, checkout);
      expect(named).toMatchObject({ status: 78, out: '' });
      expect(named.err).not.toContain('Uses the database');
    } finally {
      await takeBack();
      for (const each of [dir, checkout]) rmSync(each, { recursive: true, force: true });
    }
    const alone = await admin(['ledger:months'], { DATABASE_URL: '' }, tmpdir());
    expect(alone.err).toMatch(/Set MIGRATE_DATABASE_URL .* or start npm run dev/);
  });

  test('a database that does not answer is said in one line', async () => {
    const env = { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' };
    const run = await admin(['company:create', '--slug', 'x', '--name', 'X'], env);
    expect(run).toMatchObject({ status: 1, err: 'The database does not answer.\n' });
  });
});
