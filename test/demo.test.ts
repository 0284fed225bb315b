import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { logIn } from '../dev/demo/company';
import { temporaryRoot } from '../dev/stack/cache';
import { until } from './support/until';

const ROOT = join(__dirname, '..');

interface Demo {
  child: ChildProcess;
  out: string;
  err: string;
  status: number | null | undefined;
}

const started: Demo[] = [];
jest.setTimeout(240_000);
afterEach(() => {
  for (const { child, status } of started.splice(0)) if (status === undefined) ctrlC(child);
});

/** In a process group of its own, as a terminal starts it. */
function demo(...args: string[]): Demo {
  const { PATH, HOME } = process.env;
  const command = ['--import', 'tsx', 'dev/demo/main.ts', ...args];
  const env = { PATH, HOME };
  const child = spawn(process.execPath, command, { cwd: ROOT, env, detached: true });
  const run: Demo = { child, out: '', err: '', status: undefined };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.err += chunk.toString()));
  child.on('close', (status) => (run.status = status));
  started.push(run);
  return run;
}

/** A terminal signals everybody of the group. */
const ctrlC = ({ pid }: ChildProcess): boolean => process.kill(-pid!, 'SIGINT');

const said = (run: Demo, words: RegExp): Promise<void> =>
  until(`the demo says ${words}`, () => words.test(run.out) || run.status !== undefined, 120_000);
const ended = (run: Demo): Promise<void> =>
  until('the demo has ended', () => run.status !== undefined, 60_000);
const printed = ({ out }: Demo, name: string): string =>
  new RegExp(`^  ${name} +(\\S+)`, 'm').exec(out)?.[1] ?? '';

const foldersOf = ({ child }: Demo): string[] =>
  readdirSync(temporaryRoot()).filter((name) => name.startsWith(`regente-stack-${child.pid}-`));

test('a demo that is kept says how to log in, and leaves nothing when Ctrl-C ends it', async () => {
  const run = demo('--keep', '--recipients', '20');
  await said(run, /until Ctrl-C/);
  const login = { email: printed(run, 'Login'), password: printed(run, 'Password') };
  const director = await logIn(printed(run, 'API'), login);
  expect(await director.get('/v1/me')).toMatchObject({ user: { role: 'DIRECTOR' } });
  const folder = printed(run, 'Data');
  expect(existsSync(join(folder, 'secrets.json'))).toBe(true);
  expect(foldersOf(run)).toHaveLength(1);
  ctrlC(run.child);
  await ended(run);
  expect({ status: run.status, err: run.err }).toEqual({ status: 0, err: '' });
  expect(foldersOf(run)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test('a demo that is ended in the middle ends in order, once, and leaves nothing', async () => {
  const run = demo('--recipients', '20000');
  await said(run, /has submitted/);
  ctrlC(run.child);
  ctrlC(run.child);
  await ended(run);
  expect({ status: run.status, err: run.err }).toEqual({ status: 130, err: '' });
  expect(run.out).toMatch(/Ending …\n$/);
  expect(run.out).not.toMatch(/did not stop/);
  expect(foldersOf(run)).toEqual([]);
});
