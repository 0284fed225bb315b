import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { buildEngine, builtEngineFile } from './engine-build';
import { downloadEngine, downloadedEngineFile } from './engine-download';
import type { Machine } from './machine';

/** The server whose time-skipping keys `TIME_SKIPPING_CONFIG` names. */
const SERVER_VERSION = /^1\.32\.\d+$/;
const CHECK_WITHIN_MS = 20_000;

export interface EngineBinary {
  path: string;
  /** Where it was found. */
  origin: 'TEMPORAL_CLI' | 'PATH' | 'cache' | 'download' | 'build';
}

/**
 * Finds a Temporal dev server with server 1.32.x, or makes one: TEMPORAL_CLI, `temporal` on PATH, the cache,
 * the official download, a build through Go (about three minutes, once).
 * @throws CONFIGURATION with what was tried and what to do. A TEMPORAL_CLI that does not fit is an error,
 * never passed over: it was set on purpose.
 */
export async function findEngineBinary(
  machine: Machine,
  onProgress: (line: string) => void = () => {},
): Promise<EngineBinary> {
  const chosen = machine.env['TEMPORAL_CLI'];
  if (chosen !== undefined && chosen !== '') return chosenBinary(machine, resolve(chosen));

  const tried: string[] = [];
  const onPath = machine.findOnPath('temporal');
  if (onPath === null) {
    tried.push('`temporal` is not on PATH.');
  } else {
    const problem = await versionProblem(machine, onPath);
    if (problem === null) return { path: onPath, origin: 'PATH' };
    tried.push(`${onPath} ${problem}`);
    onProgress(`Passing over ${onPath}: it ${problem}`);
  }

  for (const path of [downloadedEngineFile(machine), builtEngineFile(machine)]) {
    if (existsSync(path)) return { path, origin: 'cache' };
  }

  const downloaded = await downloadEngine(machine, onProgress, (path) =>
    versionProblem(machine, path),
  );
  if ('path' in downloaded) return { path: downloaded.path, origin: 'download' };
  tried.push(`The download failed: ${downloaded.problem}`);

  const built = await buildEngine(machine, onProgress);
  if ('path' in built) return { path: built.path, origin: 'build' };
  tried.push(`The build failed: ${built.problem}`);
  throw new RegenteError('CONFIGURATION', advice(tried), { details: { tried } });
}

async function chosenBinary(machine: Machine, path: string): Promise<EngineBinary> {
  const problem = existsSync(path) ? await versionProblem(machine, path) : 'does not exist.';
  if (problem === null) return { path, origin: 'TEMPORAL_CLI' };
  throw new RegenteError(
    'CONFIGURATION',
    `TEMPORAL_CLI is ${path}, which ${problem} ` +
      'Point it at a Temporal CLI with server 1.32.x (CLI 1.9.0 or 1.9.1), or leave it out: ' +
      'Regente then finds or builds one.',
  );
}

/** What is wrong with this program, as the end of a sentence that begins with its name; null when it fits. */
async function versionProblem(machine: Machine, path: string): Promise<string | null> {
  const outcome = await machine.run(path, ['--version'], { withinMs: CHECK_WITHIN_MS });
  if (outcome.status !== 0) {
    return `cannot be run (${outcome.tail.at(-1) ?? `exit status ${outcome.status}`}).`;
  }
  const version = /\(Server ([^,)\s]+)/.exec(outcome.output)?.[1];
  if (version === undefined) return 'does not tell a Temporal server version.';
  return SERVER_VERSION.test(version) ? null : `has server ${version}, not 1.32.x.`;
}

function advice(tried: readonly string[]): string {
  return [
    'There is no Temporal dev server to run the workflows on:',
    ...tried.map((line) => `  - ${line}`),
    'Do one of these and start again:',
    '  - put the Temporal CLI 1.9.1 on PATH (https://github.com/temporalio/cli/releases/tag/v1.9.1),',
    '    or set TEMPORAL_CLI to its path;',
    '  - install Go (https://go.dev/dl/) and let Regente build it once (about three minutes).',
  ].join('\n');
}
