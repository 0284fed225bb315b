import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { createRandom } from '../dev/chaos/random';
import { Score, summarize } from '../dev/chaos/report';
import { SCENARIOS } from '../dev/chaos/scenarios/index';

const run = promisify(execFile);

// A fresh machine builds the engine here.
jest.setTimeout(900_000);

const chaos = (args: string): Promise<{ stdout: string }> =>
  run(process.execPath, ['--import', 'tsx', 'dev/chaos/main.ts', ...args.split(' ')], {
    cwd: resolve(__dirname, '..'),
  });

test('the command breaks a real installation and prints a line per scenario and one that sums up', async () => {
  const { stdout } = await chaos('--recipients 200 --only engine-killed --seed 7');
  const lines = stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      scenario: 'engine-killed',
      seed: 7,
      recipients: 200,
      sent: 200,
      failed: 0,
      skipped: 0,
      unknown: 0,
      cancelled: 0,
      unknownAllowed: 0,
      lost: 0,
      duplicated: 0,
      overspentCents: 0,
      sentAfterPause: 0,
      recoveredSeconds: expect.any(Number),
      seconds: expect.any(Number),
      hits: expect.any(Number),
    },
    {
      scenarios: 1,
      lost: 0,
      duplicated: 0,
      overspentCents: 0,
      sentAfterPause: 0,
      unknown: 0,
      unknownAllowed: 0,
      recoveredSecondsMax: expect.any(Number),
      broken: 0,
    },
  ]);
});

test('a scenario or an option that there is not is refused before anything starts', async () => {
  await expect(chaos('--only nothing')).rejects.toMatchObject({ code: 64 });
  await expect(chaos('--recipients many')).rejects.toMatchObject({ code: 64 });
});

test('every scenario is listed with what it does, and each has its own name', async () => {
  const { stdout } = await chaos('--list');
  expect(stdout.trim().split('\n')).toHaveLength(SCENARIOS.length);
  expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
});

test('the same seed gives the same moments to a scenario, whatever else is run', () => {
  const moments = (seed: number, name: string) => createRandom(seed, name).ascending(5, 0.1, 0.9);
  expect(moments(1, 'one')).toEqual(moments(1, 'one'));
  expect(moments(1, 'one')).not.toEqual(moments(2, 'one'));
  expect(moments(1, 'one')).not.toEqual(moments(1, 'other'));
  expect(moments(3, 'one')).toEqual(moments(3, 'one').toSorted((a, b) => a - b));
  for (const moment of moments(4, 'one'))
    expect([moment >= 0.1, moment < 0.9]).toEqual([true, true]);
});

describe('a scenario is broken', () => {
  const counts = {
    recipients: 10,
    sent: 9,
    delivered: 0,
    read: 0,
    clicked: 0,
    undelivered: 0,
    failed: 0,
    skipped: 0,
    unknown: 1,
    cancelled: 0,
    waiting: 0,
    queued: 0,
    sending: 0,
  };
  const verdict = {
    counts,
    fish: { ...counts, recipients: 1, sent: 1, unknown: 0 },
    money: { used: '0', reserved: '0' },
    taken: 9,
    duplicated: 0,
    lost: 0,
    wrong: [],
  };
  const broken = (change: (score: Score) => void) => {
    const score = new Score();
    score.hits = 1;
    change(score);
    return score.line('it', 1, 0).broken;
  };

  test('when its fault never struck, which is no pass', () => {
    expect(broken(() => undefined)).toBeUndefined();
    expect(broken((score) => void (score.hits = 0))).toHaveLength(1);
  });

  test('by whoever stays unknown at a vendor that can be asked, and at no other', () => {
    expect(broken((score) => score.take(verdict, true))).toBeUndefined();
    expect(broken((score) => score.take(verdict, false))).toHaveLength(1);
  });

  test('by a control contact that stays unknown, as by anybody else', () => {
    const known = { ...counts, sent: 10, unknown: 0 };
    const fish = { ...verdict.fish, sent: 0, unknown: 1 };
    expect(broken((score) => score.take({ ...verdict, counts: known, fish }, false))).toHaveLength(
      1,
    );
  });

  test('by anybody lost and by any call after PAUSED', () => {
    expect(broken((score) => score.take({ ...verdict, lost: 1 }, true))).toHaveLength(1);
    expect(broken((score) => void (score.sentAfterPause = 1))).toHaveLength(1);
  });

  test('and the summary counts it', () => {
    const [good, bad] = [new Score(), new Score()];
    good.hits = 1;
    expect(summarize([good.line('a', 1, 0), bad.line('b', 1, 0)])).toMatchObject({
      scenarios: 2,
      broken: 1,
    });
  });

  test('and the summary keeps those who may be unknown apart from those who may not', () => {
    const [asked, deaf] = [new Score(), new Score()];
    asked.take(verdict, false);
    deaf.take(verdict, true);
    const unknown = { unknown: verdict.counts.unknown, unknownAllowed: verdict.counts.unknown };
    expect(verdict.counts.unknown).toBeGreaterThan(0);
    expect(summarize([asked.line('a', 1, 0), deaf.line('b', 1, 0)])).toMatchObject(unknown);
  });
});
