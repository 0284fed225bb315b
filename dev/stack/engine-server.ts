import { join } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { buildWithGo, builtFile, isBuilt, type GoBuild } from './go-build';
import type { Machine } from './machine';

const PROGRAMS = ['temporal-server', 'temporal-sql-tool'] as const;
const VERSION = /version 1\.32\.\d+\b/;
const CHECK_WITHIN_MS = 20_000;

const SERVER: GoBuild<(typeof PROGRAMS)[number]> = {
  what: 'the Temporal server',
  takes: 'some minutes',
  moduleFolder: join(__dirname, '..', 'temporal-server'),
  cacheName: 'server',
  programs: {
    'temporal-server': 'go.temporal.io/server/cmd/server',
    'temporal-sql-tool': 'go.temporal.io/server/cmd/tools/sql',
  },
};

/** The server as it runs in production, and the tool that makes its tables. */
export interface EngineServerPrograms {
  server: string;
  sqlTool: string;
}

/**
 * Finds the Temporal server and its SQL tool, both 1.32.x, or builds them: on PATH, in the cache, through Go.
 * @throws CONFIGURATION with what was tried and what to do.
 */
export async function findEngineServer(
  machine: Machine,
  onProgress: (line: string) => void = () => {},
): Promise<EngineServerPrograms> {
  const [server, sqlTool] = PROGRAMS.map((program) => machine.findOnPath(program));
  const problems: string[] = [];
  for (const [index, path] of [server, sqlTool].entries()) {
    const problem = path ? await versionProblem(machine, path) : 'is not on PATH.';
    if (problem !== null) problems.push(`${path ?? PROGRAMS[index]} ${problem}`);
  }
  if (server && sqlTool && problems.length === 0) return { server, sqlTool };

  const built = {
    server: builtFile(machine, SERVER, 'temporal-server'),
    sqlTool: builtFile(machine, SERVER, 'temporal-sql-tool'),
  };
  if (isBuilt(machine, SERVER)) return built;
  const failure = await buildWithGo(machine, SERVER, onProgress);
  if (failure === null) return built;
  throw new RegenteError('CONFIGURATION', advice([...problems, failure.problem]));
}

async function versionProblem(machine: Machine, path: string): Promise<string | null> {
  const outcome = await machine.run(path, ['--version'], { withinMs: CHECK_WITHIN_MS });
  if (outcome.status !== 0) return `cannot be run (${outcome.tail.at(-1) ?? 'it says nothing'}).`;
  return VERSION.test(outcome.output) ? null : `says "${outcome.output}", not 1.32.x.`;
}

function advice(tried: readonly string[]): string {
  return [
    'There is no Temporal server for PostgreSQL:',
    ...tried.map((line) => `  - ${line}`),
    'Do one of these and start again:',
    '  - install Go (https://go.dev/dl/) and let Regente build it once (some minutes);',
    '  - put `temporal-server` and `temporal-sql-tool` 1.32.x on PATH;',
    '  - leave `--engine postgres` out: the dev server needs neither.',
  ].join('\n');
}
