import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, Environment, loadConfig, loadMigrateConfig } from '../config';

const PROJECT = join(__dirname, '..');
const KEY = Buffer.alloc(32, 1).toString('base64');
const NEEDED = {
  DATABASE_URL: 'postgresql://regente_app:secret@127.0.0.1:5432/regente',
  TEMPORAL_ADDRESS: '127.0.0.1:7233',
  ENCRYPTION_KEY: KEY,
};

/** The problems with an environment; none when it is accepted. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test('three variables are needed, everything else has a default or may be missing', () => {
  expect(problemsOf({})).toEqual(Object.keys(NEEDED).map((name) => `${name} is not set`));
  expect(problemsOf(NEEDED)).toEqual([]);
  expect(loadConfig(NEEDED)).toEqual({
    ...NEEDED,
    ENCRYPTION_KEY: [Buffer.alloc(32, 1)],
    DATABASE_MAX_CONNECTIONS: 20,
    TEMPORAL_NAMESPACE: 'default',
    HOST: '0.0.0.0',
    PORT: 3000,
    WORKER_HEALTH_PORT: 3001,
    METRICS_PORT: 3002,
    API_DRAIN_MS: 2_000,
    PUBLIC_URL: 'http://localhost:3000',
    TRUST_PROXY: false,
    LOG_LEVEL: 'info',
    SESSION_TTL_HOURS: 12,
    API_REQUESTS_PER_MINUTE: 1_200,
    AUDIENCE_MAX_ROWS: 5_000_000,
    AUDIENCE_MAX_BYTES: 2_147_483_648,
    DISPATCH_LANES: 4,
    DISPATCH_BATCH_SIZE: 1_000,
    DISPATCH_MICRO_BATCH: 200,
    DISPATCH_LEASE_MS: 4_000,
    PROVIDER_TIMEOUT_MS: 10_000,
    NOTICE_FROM_NAME: 'Regente',
  });
});

test('an empty variable counts as not set', () => {
  const empty = Object.fromEntries(Object.keys(Environment.shape).map((name) => [name, '']));
  expect(problemsOf(empty)).toEqual(problemsOf({}));
  expect(loadConfig({ ...empty, ...NEEDED })).toEqual(loadConfig(NEEDED));
});

test('all problems are listed at once, one line each, and no value is repeated', () => {
  const wrong = {
    DATABASE_URL: 'mysql://root:hunter2@localhost/x',
    DATABASE_MAX_CONNECTIONS: '0',
    TEMPORAL_ADDRESS: 'http://temporal:7233',
    ENCRYPTION_KEY: `${KEY},c2hvcnQ=`,
    PORT: '65536',
    PUBLIC_URL: 'regente.example.com',
    TRUST_PROXY: 'perhaps',
    LOG_LEVEL: 'loud',
    AUDIENCE_MAX_ROWS: 'many',
    DISPATCH_LANES: '2.5',
    DISPATCH_LEASE_MS: '1e999',
    NOTICE_PROVIDER: 'pigeon',
    NOTICE_PROVIDER_CONFIG: '{token: 1}',
  };
  const problems = problemsOf(wrong);
  expect(problems).toHaveLength(Object.keys(wrong).length);
  for (const name of Object.keys(wrong)) {
    expect(problems).toContainEqual(expect.stringMatching(`^${name} must be`));
  }
  expect(problems).toContain('PORT must be a whole number from 0 to 65535');
  expect(problems).toContain('AUDIENCE_MAX_ROWS must be a whole number of at least 1');
  for (const value of Object.values(wrong).filter((each) => each.length > 5)) {
    expect(problems.join('\n')).not.toContain(value);
  }
});

describe('the account of invitations and password resets', () => {
  const mail = (name: string, config: unknown): readonly string[] =>
    problemsOf({
      ...NEEDED,
      NOTICE_PROVIDER: name,
      NOTICE_PROVIDER_CONFIG: config === undefined ? '' : JSON.stringify(config),
    });
  const CONFIG = { url: 'http://127.0.0.1:4010', token: 'hunter2', webhookSecret: 'geheim' };

  test('is given with its config, or not at all', () => {
    expect(mail('sandbox', CONFIG)).toEqual([]);
    expect(mail('sandbox', undefined)).toEqual([
      'NOTICE_PROVIDER_CONFIG is not set, but NOTICE_PROVIDER is',
    ]);
    expect(mail('', CONFIG)).toEqual(['NOTICE_PROVIDER is not set, but NOTICE_PROVIDER_CONFIG is']);
  });

  test('has to be one that its vendor takes, and no value of it is repeated', () => {
    expect(mail('sandbox', { ...CONFIG, url: 'ftp://hunter3', token: undefined })).toEqual([
      'NOTICE_PROVIDER_CONFIG at /url must be an http or https address without a path',
      'NOTICE_PROVIDER_CONFIG at /token must be a text of 1 to 512 visible ASCII characters',
    ]);
    expect(mail('sandbox', 'geheim')).toContain('NOTICE_PROVIDER_CONFIG must be an object');
    expect(mail('sandbox', 'geheim').join()).not.toContain('geheim');
    expect(mail('pigeon', undefined)).toEqual([
      'NOTICE_PROVIDER must be one of sandbox',
      'NOTICE_PROVIDER_CONFIG is not set, but NOTICE_PROVIDER is',
    ]);
  });
});

test('takes several keys, separated by commas, for a rotation', () => {
  const old = Buffer.alloc(32, 2);
  const { ENCRYPTION_KEY: keys } = loadConfig({
    ...NEEDED,
    ENCRYPTION_KEY: `${KEY}, ${old.toString('base64')}`,
  });
  expect(keys).toEqual([Buffer.alloc(32, 1), old]);
});

test('cannot be changed after the start', () => {
  expect(Object.isFrozen(loadConfig(NEEDED))).toBe(true);
});

test('migrate needs the owner only, and checks the application too when it is given', () => {
  const MIGRATE_DATABASE_URL = 'postgres://owner@127.0.0.1/regente';
  expect(loadMigrateConfig({ MIGRATE_DATABASE_URL })).toEqual({ MIGRATE_DATABASE_URL });
  expect(() => loadMigrateConfig({})).toThrow('MIGRATE_DATABASE_URL is not set');
  expect(() => loadMigrateConfig({ MIGRATE_DATABASE_URL, DATABASE_URL: 'x' })).toThrow(ConfigError);
});

test('an entry file prints the problems and ends with 78', () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'start.ts'], {
    cwd: PROJECT,
    env: { DATABASE_URL: 'x', NOTICE_PROVIDER: 'sandbox' },
    encoding: 'utf8',
  });
  expect(run.status).toBe(78);
  expect(run.stdout).toBe('');
  expect(run.stderr.split('\n').slice(0, -1)).toEqual([
    'The configuration is not usable:',
    expect.stringMatching(/^ {2}- DATABASE_URL must be/),
    '  - TEMPORAL_ADDRESS is not set',
    '  - ENCRYPTION_KEY is not set',
    '  - NOTICE_PROVIDER_CONFIG is not set, but NOTICE_PROVIDER is',
  ]);
});

describe('docs/configuration.md', () => {
  const page = readFileSync(join(PROJECT, 'docs/configuration.md'), 'utf8');
  const rows = (text: string): string[][] =>
    [...text.matchAll(/^\| *(`[A-Z_]+`) *\| *(.*?) *\| *(.*?) *\|$/gm)].map(
      ([, ...cells]) => cells,
    );
  const [production = '', development = ''] = page.split('## Development');

  test('has each variable with its default and the meaning that config.ts gives it', () => {
    const { ENCRYPTION_KEY: _, ...rest } = loadConfig(NEEDED);
    const defaults: Record<string, string | number | boolean | undefined> = rest;
    const byDefault = (name: string): string => {
      if (name in NEEDED) return 'needed';
      return defaults[name] === undefined ? '' : `\`${defaults[name]}\``;
    };
    expect(rows(production)).toEqual(
      Object.entries(Environment.shape).map(([name, field]) => [
        `\`${name}\``,
        byDefault(name),
        field.description,
      ]),
    );
  });

  test('has each variable that only development reads', () => {
    const read = new Set<string>();
    for (const folder of ['dev', 'test', 'test/support']) {
      for (const file of readdirSync(join(PROJECT, folder), {
        recursive: folder === 'dev',
        encoding: 'utf8',
      })) {
        if (!file.endsWith('.ts')) continue;
        const code = readFileSync(join(PROJECT, folder, file), 'utf8');
        for (const [, name = ''] of code.matchAll(/\benv\['([A-Z_]+)'\]/g)) read.add(`\`${name}\``);
      }
    }
    // The program search path, and what the global setup hands on.
    for (const name of read) if (/`(PATH|TEST_.*URL)`/.test(name)) read.delete(name);
    // What the admin looks for before it asks the development stack.
    for (const name of ['DATABASE_URL', 'MIGRATE_DATABASE_URL']) read.delete(`\`${name}\``);
    expect(new Set(rows(development).map(([name]) => name))).toEqual(read);
  });

  test('has no variable that nothing reads', () => {
    const code = ['api', 'activities', 'dev', 'workers', '.']
      .flatMap((folder) =>
        readdirSync(join(PROJECT, folder), { recursive: folder !== '.', encoding: 'utf8' })
          .filter((file) => file.endsWith('.ts') && file !== 'config.ts')
          .map((file) => readFileSync(join(PROJECT, folder, file), 'utf8')),
      )
      .join('\n');
    const unread = Object.keys(Environment.shape).filter((name) => !code.includes(name));
    expect(unread).toEqual([]);
  });
});
