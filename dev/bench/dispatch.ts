import { bullmq } from './bullmq';
import type { Contender } from './contender';
import type { DispatchBenchOptions } from './options/dispatch';
import { rawLoop } from './raw';
import { hasRedis } from './redis';
import { regente } from './regente';
import {
  summarize,
  tableOf,
  type DispatchReport,
  type DispatchRuns,
  type Measured,
} from './report';
import { startStage, type Stage } from './stage';

const WARM_UP = 2_000;

export interface Voice {
  /** What a person wants to read meanwhile. */
  say: (line: string) => void;
  /** What whoever uses the result must know. */
  warn: (line: string) => void;
}

/**
 * The contenders in turn, round after round, against one vendor and one PostgreSQL; each runs alone.
 */
export async function runDispatchBench(
  options: DispatchBenchOptions,
  { say, warn }: Voice,
): Promise<DispatchReport> {
  const withBullmq = options.bullmq && (await hasRedis());
  if (options.bullmq && !withBullmq)
    warn('There is no redis-server on PATH, so BullMQ is left out and its figures are null.');
  const stage = await startStage({ ...options, onProgress: say });
  try {
    const account = {
      url: stage.sandbox.url,
      token: stage.sandboxToken,
      connections: options.connections,
    };
    const raw = rawLoop(account, options.workers);
    const queue = withBullmq ? bullmq(stage, account, options.workers) : null;
    const subject = await regente(stage, account, options);
    const runs = {
      recipients: options.recipients,
      engine: options.engine,
      raw: [] as Measured[],
      bullmq: [] as Measured[],
      regente: [] as Measured[],
    } satisfies DispatchRuns;
    for (let round = 1; round <= options.rounds; round += 1) {
      say(`Round ${round} of ${options.rounds}`);
      runs.raw.push(await measure(stage, raw, options));
      if (queue !== null) runs.bullmq.push(await measure(stage, queue, options));
      runs.regente.push(await measure(stage, subject, options));
    }
    const report = summarize(runs);
    say(tableOf(runs, report));
    return report;
  } finally {
    await stage.stop();
  }
}

/** One run, after a small one that compiles, connects and plans; the vendor's books are held against the contender's. */
async function measure(
  { sandbox }: Stage,
  contender: Contender,
  { recipients, cold }: DispatchBenchOptions,
): Promise<Measured> {
  const running = await contender.start();
  try {
    if (!cold) await running.run(Math.min(WARM_UP, recipients));
    await sandbox.reset();
    const { elapsedMs, lost, duplicated, ledger, sizing } = await running.run(recipients);
    const totals = await sandbox.totals();
    return {
      name: contender.name,
      perSecond: recipients / (elapsedMs / 1_000),
      lost: Math.max(lost, recipients - totals.unique),
      duplicated: Math.max(duplicated, totals.duplicated),
      ...(ledger === undefined ? {} : { ledger }),
      ...(sizing === undefined ? {} : { sizing }),
    };
  } finally {
    await running.stop();
  }
}
