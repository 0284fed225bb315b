import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { summarizePauses } from '../dev/bench/control';
import { summarize, type Measured } from '../dev/bench/report';
import { temporaryRoot } from '../dev/stack/cache';
import { isRunning, type ProcessIdentity } from '../dev/stack/processes';
import { until } from './support/until';

const run = promisify(execFile);
const checkout = resolve(__dirname, '..');

/** What only Linux tells. */
const inProc: unknown = existsSync('/proc/self/status') ? expect.any(Number) : null;

jest.setTimeout(300_000);

const bench = (args: string): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, ['--import', 'tsx', 'dev/bench/main.ts', ...args.split(' ')], {
    cwd: checkout,
  });

test('the dispatch bench prints one JSON line in which nobody is lost and nobody is messaged twice', async () => {
  const { stdout } = await bench(
    'dispatch --recipients 500 --no-bullmq --json --workers 2 --batch 50 --micro 20',
  );
  expect(stdout.trim().split('\n')).toHaveLength(1);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toEqual({
    recipients: 500,
    engine: 'dev',
    rawPerSecond: expect.any(Number),
    bullmqPerSecond: null,
    regentePerSecond: expect.any(Number),
    vsBullmq: null,
    vsRaw: expect.any(Number),
    approveToSettledMs: expect.any(Number),
    claimToSettleP50Ms: expect.any(Number),
    claimToSettleP99Ms: expect.any(Number),
    workerRssMb: inProc,
    lost: 0,
    duplicated: 0,
    historyEventsMax: expect.any(Number),
    historyMb: expect.any(Number),
    databaseMbPerMillion: expect.any(Number),
    ledgerIndexMbPerMillion: expect.any(Number),
    engineMbPerMillion: null,
    walMbPerMillion: expect.any(Number),
    workerCpuSecondsPerMillion: inProc,
    engineCpuSecondsPerMillion: inProc,
    postgresCpuSecondsPerMillion: inProc,
    workerConnections: expect.any(Number),
    engineConnections: null,
    engineTransactionsPerCampaign: null,
    progressMsP50: expect.any(Number),
    progressMsP99: expect.any(Number),
    progressMsMax: expect.any(Number),
  });
  expect(report['regentePerSecond']).toBeGreaterThan(0);
  // Two tables and four indexes hold at least this of each of them.
  expect(report['databaseMbPerMillion']).toBeGreaterThan(300);
  expect(report['ledgerIndexMbPerMillion']).toBeGreaterThan(10);
  expect(report['ledgerIndexMbPerMillion']).toBeLessThan(report['databaseMbPerMillion'] as number);
  // Two workers, with a connection each to mark, to settle and to look for work.
  expect(report['workerConnections']).toBeGreaterThanOrEqual(4);
  expect(report['walMbPerMillion']).toBeGreaterThan(300);
  // The root starts four lanes, and each lane has at least one turn.
  expect(report['historyEventsMax']).toBeGreaterThan(15);
  expect(report['historyEventsMax']).toBeLessThan(200);
  expect(report['historyMb']).toBeGreaterThan(0.001);
  expect(report['progressMsP50']).toBeGreaterThan(0);
  expect(report['progressMsMax']).toBeGreaterThanOrEqual(report['progressMsP50'] as number);
  expect(report['claimToSettleP99Ms']).toBeGreaterThanOrEqual(
    report['claimToSettleP50Ms'] as number,
  );
});

test('the audience bench prints one JSON line: everybody of the file was loaded over HTTP', async () => {
  const { stdout } = await bench('audience --rows 3000 --json');
  expect(stdout.trim().split('\n')).toHaveLength(1);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toEqual({
    rows: 3_000,
    rowsPerSecond: expect.any(Number),
    rssGrowthMb: inProc,
    apiCpuMs: inProc,
    postgresCpuMs: inProc,
  });
  expect(report['rowsPerSecond']).toBeGreaterThan(0);
});

test('the webhooks bench prints one JSON line: every callback was taken, and the ledger knows of each', async () => {
  const { stdout } = await bench('webhooks --events 600 --rate 300 --json');
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(stdout)).toMatchObject({
    events: 600,
    ratePerSecond: 300,
    refused: 0,
    missing: 0,
    vendorCpuUs: expect.any(Number),
    apiCpuUs: inProc,
    postgresCpuUs: inProc,
    workerCpuUs: inProc,
  });
});

test('the control bench prints one JSON line: pauses over HTTP, after whose answers no call began', async () => {
  const { stdout } = await bench('control --pauses 2 --recipients 40000 --json');
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(stdout)).toEqual({
    pauses: 2,
    silenceP50Ms: expect.any(Number),
    silenceP99Ms: expect.any(Number),
    answerP50Ms: expect.any(Number),
    answerP99Ms: expect.any(Number),
    resumeP50Ms: expect.any(Number),
    sentAfterPause: 0,
  });
});

test('a call that the vendor reads between the answer and the resumption counts against the pause', () => {
  const pauses = [
    { askedAt: 1_000, answeredAt: 1_300, resumedAt: 2_300 },
    { askedAt: 3_000, answeredAt: 3_100, resumedAt: 4_100 },
  ];
  const calls = [990, 1_010, 1_200, 1_301, 2_350, 2_990, 4_110];
  expect(summarizePauses(pauses, calls)).toEqual({
    pauses: 2,
    silenceP50Ms: 0,
    silenceP99Ms: 301,
    answerP50Ms: 100,
    answerP99Ms: 300,
    resumeP50Ms: 10,
    sentAfterPause: 1,
  });
});

test('a bench that is interrupted leaves no folder and no server behind', async () => {
  const child = execFile(
    process.execPath,
    ['--import', 'tsx', 'dev/bench/main.ts', 'dispatch', '--recipients', '500', '--no-bullmq'],
    { cwd: checkout },
  );
  const exited = once(child, 'exit');
  await new Promise<void>((reached) => {
    child.stderr?.on('data', (text: string) => text.includes('Round 1') && reached());
  });
  const folder = folderOf(child.pid ?? 0);
  const servers = readdirSync(folder)
    .filter((name) => name.endsWith('.log.pid'))
    .map((name) => serverOf(join(folder, name)));
  expect(servers.length).toBeGreaterThanOrEqual(2);
  child.kill('SIGTERM');
  await exited;
  await until('servers and folder are gone', () => !existsSync(folder) && !servers.some(isRunning));
});

/** Of the stack that this process has started. */
function folderOf(pid: number): string {
  const name = readdirSync(temporaryRoot()).find((each) =>
    each.startsWith(`regente-stack-${pid}-`),
  );
  return join(temporaryRoot(), name ?? 'missing');
}

const serverOf = (pidFile: string): ProcessIdentity =>
  (JSON.parse(readFileSync(pidFile, 'utf8')) as { server: ProcessIdentity }).server;

test('an option that there is not ends the bench with 64 and the usage', async () => {
  await expect(bench('dispatch --recipient 5')).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--recipients N'),
  });
  await expect(bench('audience --rows none')).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--rows N'),
  });
});

test('the figures are medians over the rounds, and what was lost in any round counts', () => {
  const runs = (...speeds: number[]): Measured[] =>
    speeds.map((perSecond) => ({ name: 'x', perSecond, lost: 0, duplicated: 0 }));
  const regente = runs(3_000, 4_000, 2_000);
  regente[0]!.lost = 2;
  regente[2]!.duplicated = 1;
  expect(
    summarize({
      recipients: 10,
      engine: 'dev',
      raw: runs(10_000, 8_000),
      bullmq: runs(500, 1_000, 600),
      regente,
    }),
  ).toMatchObject({
    rawPerSecond: 9_000,
    bullmqPerSecond: 600,
    regentePerSecond: 3_000,
    vsBullmq: 5,
    vsRaw: 0.333,
    lost: 2,
    duplicated: 1,
  });
});
