import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { bootstrapDatabase, type DatabaseUrls } from '../dev/stack/bootstrap';
import { startEngine } from '../dev/stack/engine';
import { findEngineBinary } from '../dev/stack/engine-binary';
import { startStack, type Stack } from '../dev/stack/index';
import { thisMachine } from '../dev/stack/machine';
import { holdPort } from '../dev/stack/ports';
import { CORE_QUEUE, DELIVERY_QUEUE } from '../workflows/task-queues';
import { readDockerfile } from './support/dockerfile';
import { install, type Installation, type Run } from './support/installation';
import { until } from './support/until';

const NAMES = readdirSync(join(__dirname, '../prisma/migrations'))
  .filter((name) => /^\d{14}_/.test(name))
  .sort();
const { TASK_QUEUE_TYPE_ACTIVITY, TASK_QUEUE_TYPE_WORKFLOW } = temporal.api.enums.v1.TaskQueueType;

let built: Installation;
let stack: Stack;
let urls: DatabaseUrls;
let env: Record<string, string>;
let dead: Record<string, string>;

// A fresh machine builds the engine here.
beforeAll(async () => {
  stack = await startStack({ dir: 'temporary' });
  built = install();
  urls = await bootstrapDatabase({
    adminUrl: stack.adminUrl,
    name: 'regente',
    ownerPassword: 'owner',
    appPassword: 'app',
  });
  env = {
    DATABASE_URL: urls.appUrl,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    // Several checkouts share this machine.
    HOST: '127.0.0.1',
    PORT: '0',
    WORKER_HEALTH_PORT: '0',
    METRICS_PORT: '0',
  };
  dead = {
    ...env,
    // Nobody who tests listens there.
    DATABASE_URL: 'postgresql://regente_app:app@127.0.0.1:1/regente',
    TEMPORAL_ADDRESS: '127.0.0.1:1',
  };
}, 900_000);
afterAll(async () => {
  built.remove();
  await stack.stop();
});

/** Ends it as a container's host does, and measures. */
async function terminate(run: Run): Promise<{ status: number | null; seconds: number }> {
  const began = Date.now();
  run.child.kill('SIGTERM');
  return { status: await run.ended, seconds: (Date.now() - began) / 1000 };
}

async function get(port: unknown, path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
  return { status: response.status, body: await response.json() };
}

/** A look is short, and on a busy machine one may miss what is there: waits for one that says this. */
async function untilReadyzSays(port: unknown, expected: object): Promise<void> {
  let seen: unknown;
  const wanted = JSON.stringify(expected);
  const says = async (): Promise<boolean> =>
    JSON.stringify((seen = await get(port, '/readyz'))) === wanted;
  await until('/readyz says so', says).catch(() => expect(seen).toEqual(expected));
}

async function metrics(port: unknown): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

async function pollers(
  taskQueue: string,
  taskQueueType: temporal.api.enums.v1.TaskQueueType,
): Promise<number> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const answer = await connection.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name: taskQueue },
    taskQueueType,
  });
  await connection.close();
  return answer.pollers?.length ?? 0;
}

describe('node dist/prisma/migrate.js', () => {
  const migrate = async (given: Record<string, string>) => {
    const run = built.run(['dist/prisma/migrate.js'], given);
    return { status: await run.ended, stdout: run.stdout(), stderr: run.stderr() };
  };

  test('applies every migration, says which, and finds nothing to do the second time', async () => {
    const given = { MIGRATE_DATABASE_URL: urls.ownerUrl, DATABASE_URL: urls.appUrl };
    expect(await migrate(given)).toEqual({
      status: 0,
      stdout: NAMES.map((name) => `applied ${name}\n`).join(''),
      stderr: '',
    });
    expect(await migrate(given)).toEqual({
      status: 0,
      stdout: 'nothing to apply: the database is up to date\n',
      stderr: '',
    });
  });

  test('fails with the reason when the database does not answer or is not its own', async () => {
    const silent = await migrate({ MIGRATE_DATABASE_URL: dead['DATABASE_URL']! });
    expect(silent).toMatchObject({ status: 1, stdout: '' });
    expect(silent.stderr).toMatch(/^The migrations were not applied: .*ECONNREFUSED/);
    const refused = await migrate({ MIGRATE_DATABASE_URL: urls.appUrl });
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('MIGRATE_DATABASE_URL logs in as regente_app');
  });

  test('ends with 78 when it is not told where the database is', async () => {
    const run = await migrate({ DATABASE_URL: 'mysql://root@localhost/x' });
    expect(run.status).toBe(78);
    expect(run.stderr).toContain('MIGRATE_DATABASE_URL is not set');
    expect(run.stderr).toContain('DATABASE_URL must be a PostgreSQL URL');
  });
});

test('node dist/dev/admin.js makes the first company', async () => {
  const words = ['company:create', '--slug', 'acme', '--name', 'Acme'];
  const run = built.run(['dist/dev/admin.js', ...words], { DATABASE_URL: urls.appUrl });
  expect({ status: await run.ended, stderr: run.stderr() }).toEqual({ status: 0, stderr: '' });
  expect(run.stdout()).toContain('acme');
});

describe('node dist/start.js', () => {
  test('api answers that it lives and is ready, and ends within seconds with 0', async () => {
    const api = built.run(['dist/start.js', 'api'], env);
    const { port } = await api.logged('api listening');
    expect(await get(port, '/healthz')).toMatchObject({ status: 200 });
    await untilReadyzSays(port, {
      status: 200,
      body: { status: 'ok', checks: { database: 'ok', engine: 'ok' } },
    });
    await until('its check says so, too', async () => {
      const check = built.run(['deploy/health.js', String(port)], {});
      return (await check.ended) === 0;
    });
    const end = await terminate(api);
    expect(end.status).toBe(0);
    expect(end.seconds).toBeLessThan(8);
    expect(await built.run(['deploy/health.js', String(port)], {}).ended).toBe(1);
  });

  test('worker runs the bundle of the build, polls both queues, and ends within seconds with 0', async () => {
    const worker = built.run(['dist/start.js', 'worker'], env);
    const { healthPort } = await worker.logged('worker polling');
    const checks = { database: 'ok', engine: 'ok' };
    await untilReadyzSays(healthPort, { status: 200, body: { status: 'ok', checks } });
    await until('both queues are polled', async () => {
      const counts = await Promise.all([
        pollers(CORE_QUEUE, TASK_QUEUE_TYPE_WORKFLOW),
        pollers(CORE_QUEUE, TASK_QUEUE_TYPE_ACTIVITY),
        pollers(DELIVERY_QUEUE, TASK_QUEUE_TYPE_ACTIVITY),
      ]);
      return counts.every((count) => count > 0);
    });
    expect(worker.stderr()).not.toContain('webpack');
    const end = await terminate(worker);
    expect(end.status).toBe(0);
    expect(end.seconds).toBeLessThan(8);
  });

  test('without a word runs both in one process', async () => {
    const both = built.run(['dist/start.js'], env);
    await both.logged('api listening');
    await both.logged('worker polling');
    expect((await terminate(both)).status).toBe(0);
  });

  test('prints every problem of its environment at once and ends with 78', async () => {
    const run = built.run(['dist/start.js', 'api'], {
      DATABASE_URL: '',
      ENCRYPTION_KEY: 'c2hvcnQ=',
    });
    expect(await run.ended).toBe(78);
    expect(run.stderr()).toContain('DATABASE_URL is not set');
    expect(run.stderr()).toContain('TEMPORAL_ADDRESS is not set');
    expect(run.stderr()).toContain('ENCRYPTION_KEY must be');
    expect(run.stderr()).not.toContain('c2hvcnQ=');
  });

  test('refuses a part that it does not know', async () => {
    const run = built.run(['dist/start.js', 'sever'], env);
    expect(await run.ended).toBe(64);
    expect(run.stderr()).toContain('"sever"');
  });
});

describe('with database and engine down', () => {
  const down = 'does not answer';

  test('the api starts, and readyz and metrics say what is down', async () => {
    const api = built.run(['dist/start.js', 'api'], dead);
    const { port } = await api.logged('api listening');
    expect(await get(port, '/healthz')).toMatchObject({ status: 200 });
    expect(await get(port, '/readyz')).toEqual({
      status: 503,
      body: { status: 'failing', checks: { database: down, engine: down } },
    });
    const { metricsPort } = await api.logged('metrics listening');
    const text = await metrics(metricsPort);
    expect(text).toMatch(/^regente_database_up 0$/m);
    // Figures that nobody has read would be taken for a ledger without partitions.
    expect(text).not.toMatch(/^regente_(ledger|executions|outbox|inbox|budgets)/m);
    expect((await terminate(api)).status).toBe(0);
  });

  test('the worker waits for the engine, polls as soon as it is there, and says when it is gone', async () => {
    const held = await holdPort(0);
    const worker = built.run(['dist/start.js', 'worker'], {
      ...dead,
      TEMPORAL_ADDRESS: `127.0.0.1:${held.port}`,
    });
    await worker.logged('waiting for the engine');
    const { path: binary } = await findEngineBinary(thisMachine());
    await held.release();
    const logFile = join(stack.dir, 'late-engine.log');
    const engine = await startEngine({ binary, port: held.port, logFile });
    const { healthPort } = await worker.logged('worker polling');
    const checks = (says: string) => ({
      status: 503,
      body: { status: 'failing', checks: { database: down, engine: says } },
    });
    await untilReadyzSays(healthPort, checks('ok'));
    await engine.stop();
    await untilReadyzSays(healthPort, checks(down));
    await until('the engine is missed', () => worker.stdout().includes('poll_workflow_task_queue'));
    const lines = worker.stdout().split('\n').slice(0, -1);
    expect(lines.filter((line) => !line.startsWith('{"level":'))).toEqual([]);
    expect((await terminate(worker)).status).toBe(0);
  });
});

test('a worker that waits for its engine says so, says nothing of a database that is well, and can be stopped', async () => {
  const address = dead['TEMPORAL_ADDRESS']!;
  const worker = built.run(['dist/start.js', 'worker'], { ...env, TEMPORAL_ADDRESS: address });
  const line = await worker.logged('waiting for the engine');
  expect(line).toMatchObject({ address, namespace: 'default' });
  const { healthPort } = await worker.logged('worker health listening');
  expect(await get(healthPort, '/healthz')).toMatchObject({ status: 200 });
  expect(await get(healthPort, '/readyz')).toMatchObject({ status: 503 });
  const text = await metrics(healthPort);
  expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  // Each of them as 0 is an alert.
  expect(text).not.toMatch(/^regente_(database_up|ledger_months_ahead)/m);
  const end = await terminate(worker);
  expect(end.status).toBe(0);
  expect(end.seconds).toBeLessThan(8);
});

test('the build needs no package that the image leaves out', () => {
  const needed = new Set<string>();
  for (const file of readdirSync(join(built.dir, 'dist'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js') || file.endsWith('workflow-bundle.js')) continue;
    const code = readFileSync(join(built.dir, 'dist', file), 'utf8');
    for (const [, name = ''] of code.matchAll(/\brequire\("([^"./][^"]*)"\)/g)) {
      needed.add(/^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
    }
  }
  const packages = [...needed].filter(
    (name) => !name.startsWith('node:') && !builtinModules.includes(name),
  );
  expect(packages).toContain('@temporalio/worker');
  expect(packages.filter((name) => !readDockerfile().packages.includes(name))).toEqual([]);
});
