import { RegenteError } from '../../domain/errors';
import { openArena, type Arena } from './arena';
import { readOptions, USAGE, type ChaosOptions } from './options';
import { createRandom } from './random';
import { Score, summarize, type ScenarioLine } from './report';
import { createRun, type Scenario } from './scenario';
import { SCENARIOS } from './scenarios/index';

/** npm run -s chaos -- [options]: breaks a real installation in every way that docs/chaos.md names, and counts. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  const options = readOptions(
    args,
    SCENARIOS.map(({ name }) => name),
  );
  const { only, list } = options;
  const chosen = SCENARIOS.filter(({ name }) => only === null || only.includes(name));
  if (list) {
    for (const { name, about } of chosen) console.log(`${name.padEnd(26)}${about}`);
    return 0;
  }
  const lines = await runAll(chosen, options);
  const summary = summarize(lines);
  console.log(JSON.stringify(summary));
  return summary.broken === 0 ? 0 : 1;
}

/** Scenarios share an installation until one of them fails, for nobody knows what that one has left behind. */
async function runAll(
  scenarios: readonly Scenario[],
  options: ChaosOptions,
): Promise<ScenarioLine[]> {
  const lines: ScenarioLine[] = [];
  let arena: Arena | null = null;
  try {
    for (const scenario of scenarios) {
      say(`${scenario.name}: ${scenario.about}`);
      if (scenario.isolated === true) {
        await leave(arena);
        arena = null;
      }
      arena ??= await openArena(options.recipients, say);
      const { line, isUsable } = await runOne(scenario, arena, options);
      lines.push(line);
      console.log(JSON.stringify(line));
      if (isUsable) continue;
      await leave(arena);
      arena = null;
    }
  } finally {
    await leave(arena);
  }
  return lines;
}

/** What does not end in order ends with this process, and takes no line with it. */
async function leave(arena: Arena | null): Promise<void> {
  await arena?.stop().catch((error: unknown) => {
    say(`The installation does not end in order: ${String(error)}`);
  });
}

async function runOne(
  scenario: Scenario,
  arena: Arena,
  { seed, recipients, outageSeconds }: ChaosOptions,
): Promise<{ line: ScenarioLine; isUsable: boolean }> {
  const { name } = scenario;
  const random = createRandom(seed, name);
  const score = new Score();
  const began = performance.now();
  let isUsable = true;
  try {
    await arena.mend();
    const outageMs = outageSeconds * 1_000;
    const run = createRun({ arena, random, recipients, outageMs, score, say });
    await within(timeFor(recipients), scenario.run(run));
  } catch (error) {
    score.breaks(`it ends: ${error instanceof Error ? error.message : String(error)}`);
    isUsable = false;
  }
  return { line: score.line(name, seed, performance.now() - began), isUsable };
}

/** Every wait inside is bounded; this bounds their sum. */
const timeFor = (recipients: number): number => 600_000 + recipients * 20;

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`It takes longer than ${Math.round(ms / 1_000)} s.`)),
      ms,
    );
  });
  await Promise.race([work, tooLong]).finally(() => clearTimeout(timer));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

// Everything that was started here ends with it.
for (const [name, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(name, () => process.exit(128 + number));
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    say(error instanceof RegenteError ? error.message : String(error));
    process.exit(error instanceof RegenteError && error.code === 'VALIDATION' ? 64 : 1);
  },
);
