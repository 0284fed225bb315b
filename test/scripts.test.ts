import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareCampaign, UnusableFileError } from '../dev/demo/campaign';
import { logIn } from '../dev/demo/company';
import { readOptions } from '../dev/demo/options';
import { openAudienceDesk, type AudienceDesk } from './support/audiences';

const ROOT = join(__dirname, '..');
const TSX = require.resolve('tsx/cli');

/*
 * What the scripts of package.json say to who runs them wrongly.
 */

interface Run {
  status: number | null;
  out: string;
  err: string;
}

/** As `npm run` does it, in a process of its own. */
const run = (file: string, ...args: string[]): Promise<Run> =>
  runIn(ROOT, process.execPath, TSX, file, ...args);

async function runIn(cwd: string, program: string, ...args: string[]): Promise<Run> {
  const { PATH, HOME } = process.env;
  const child = spawn(program, args, { cwd, env: { PATH, HOME } });
  const result: Run = { status: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.err += chunk.toString()));
  result.status = await new Promise((resolve) => child.on('close', resolve));
  return result;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regente-demo-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

jest.setTimeout(60_000);

test.each([
  'dev/demo/main',
  'dev/dev',
  'dev/admin',
  'dev/bench/main',
  'dev/chaos/main',
  'dev/record-histories',
  'prisma/migrate',
])('%s.ts answers --help with its usage and starts nothing', async (file) => {
  const help = await run(`${file}.ts`, '--help');
  expect(help).toMatchObject({ status: 0, err: '' });
  expect(help.out).toMatch(/npm run (-s )?(demo|dev|admin|bench|chaos|record-histories|migrate)\b/);
});

test.each([
  ['dev/dev', '--bogus', /^npm run dev does not know "--bogus": it takes no options\.$/m],
  ['dev/dev', 'api', /^npm run dev does not know "api": it takes no options\.$/m],
  ['prisma/migrate', '--bogus', /^npm run migrate does not know "--bogus": .*\.$/m],
  ['prisma/migrate', 'up', /^npm run migrate does not know "up": .*\.$/m],
  [
    'dev/record-histories',
    'campaign',
    /^npm run record-histories does not know "campaign": it takes no options\.$/m,
  ],
  // Nothing says where a database is, and that is not what is wrong.
  ['dev/admin', 'nope', /^There is no command nope\.$/m],
])('%s.ts starts nothing with %s, names it and ends with 64', async (file, word, sentence) => {
  const refused = await run(`${file}.ts`, word);
  expect(refused).toMatchObject({ status: 64, out: '' });
  expect(refused.err).toMatch(sentence);
  expect(refused.err).toContain('Usage: npm run');
  expect(refused.err).not.toContain('DATABASE_URL is not set');
});

test('npm start says in one line that there is no build yet, and starts the one that there is', async () => {
  const checkout = join(folder, 'checkout');
  mkdirSync(checkout);
  copyFileSync(join(ROOT, 'package.json'), join(checkout, 'package.json'));
  const before = await runIn(checkout, 'npm', '--silent', 'start');
  expect(before).toMatchObject({ status: 1, out: '' });
  expect(before.err).toMatch(/^There is no build yet: run npm run build first\.$/m);
  expect(before.err).not.toContain('at ');
  mkdirSync(join(checkout, 'dist'));
  writeFileSync(join(checkout, 'dist/start.js'), 'console.log(process.argv.slice(2))');
  const after = await runIn(checkout, 'npm', '--silent', 'start', '--', 'worker');
  expect(after).toMatchObject({ status: 0, out: "[ 'worker' ]\n" });
});

test('a SIGTERM to npm start reaches what it has started, which ends as it would alone', async () => {
  const checkout = join(folder, 'running');
  mkdirSync(join(checkout, 'dist'), { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(checkout, 'package.json'));
  writeFileSync(
    join(checkout, 'dist/start.js'),
    `process.once('SIGTERM', () => { console.log('drained'); process.exit(0); });
    setInterval(() => {}, 10_000);
    console.log('running');`,
  );
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME };
  const npm = spawn('npm', ['--silent', 'start', '--', 'api'], { cwd: checkout, env });
  let out = '';
  npm.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (out === 'running\n') npm.kill('SIGTERM');
  });
  const status = await new Promise((resolve) => npm.on('close', resolve));
  expect({ status, out }).toEqual({ status: 0, out: 'running\ndrained\n' });
});

test('a bench that there is none of is named, before what there is', async () => {
  const { status, err } = await run('dev/bench/main.ts', 'nosuch');
  expect(status).toBe(64);
  expect(err).toMatch(
    /^"nosuch" is no bench; there are dispatch, audience, webhooks, fairness, control\.$/m,
  );
});

test('a file that is not there, or is a folder, is refused in one line before anything is started', async () => {
  expect(await run('dev/demo/main.ts', '--csv', join(folder, 'nope.csv'))).toEqual({
    status: 66,
    out: '',
    err: `--csv: ${join(folder, 'nope.csv')}: there is no such file.\n`,
  });
  expect(await run('dev/demo/main.ts', '--csv', folder)).toEqual({
    status: 66,
    out: '',
    err: `--csv: ${folder} is a folder; name a CSV file in it.\n`,
  });
});

describe('a file that cannot be used is refused in lines', () => {
  let desk: AudienceDesk;
  beforeAll(async () => {
    desk = await openAudienceDesk();
  });
  afterAll(() => desk.close());

  async function refusal(content: string): Promise<string[]> {
    const csv = join(folder, 'meu.csv');
    writeFileSync(csv, content);
    const { tenant, means } = desk;
    const { email, password } = tenant.agent;
    const operator = await logIn(desk.api.url, { email, password });
    const account = { ...means, webhookUrl: '', webhookSecret: '' };
    const options = readOptions(['--csv', csv]);
    const error: unknown = await prepareCampaign(operator, account, options).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UnusableFileError);
    return (error as Error).message.split('\n');
  }

  test('without an address column', async () => {
    const lines = await refusal('nome;valor\nAna;1\n');
    expect(lines[0]).toMatch(/^PUT \/v1\/campaigns\/.* answered 400: The request is not valid$/);
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.slice(1).every((line) => line.startsWith('  ') && !line.includes('{'))).toBe(true);
  });

  test('without a good row, with the reasons and how often each', async () => {
    const [, detail] = await refusal('telefone\n123\nabc\n456\n');
    expect(detail).toMatch(/^ {2}None of the 3 rows can be used \(wrong_length: 2, \w+: 1\)\./);
  });
});
