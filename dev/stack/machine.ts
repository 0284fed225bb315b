import { spawn } from 'node:child_process';
import { accessSync, constants, createWriteStream, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { cacheFolder } from './cache';

/** How a program ended: `status` is null when it could not be started or was ended by a signal. */
export interface RunOutcome {
  status: number | null;
  output: string;
  /** The last lines of its output and error output together. */
  tail: string[];
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  withinMs?: number;
  /** Hears every line of output and error output. */
  onLine?: (line: string) => void;
}

/** What the search for the engine needs from the machine; the tests give it another one. */
export interface Machine {
  env: Readonly<Record<string, string | undefined>>;
  platform: string;
  arch: string;
  cache: string;
  findOnPath(program: string): string | null;
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunOutcome>;
  /** Fetches into a file. @throws when there is no answer within `answerWithinMs`, or not all within five minutes. */
  download(url: string, file: string, answerWithinMs: number): Promise<void>;
}

const TAIL_LINES = 15;
const DOWNLOAD_WITHIN_MS = 300_000;

/** The machine that this runs on. */
export function thisMachine(env: Machine['env'] = process.env): Machine {
  return {
    env,
    platform: process.platform,
    arch: process.arch,
    cache: cacheFolder(env),
    findOnPath: (program) => findOnPath(program, env['PATH'] ?? ''),
    run: (command, args, options) => run(env, command, args, options),
    download,
  };
}

/** The folder of one engine in the cache. */
export const engineFolder = (machine: Machine, name: string): string =>
  join(machine.cache, 'temporal', `${name}-${machine.platform}-${machine.arch}`);

function findOnPath(program: string, path: string): string | null {
  for (const folder of path.split(delimiter).filter((part) => part !== '')) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

function run(
  env: Machine['env'],
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunOutcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // Not spawn's own timeout: its timer runs on when the program could not even be started.
    const impatience =
      options.withinMs === undefined
        ? undefined
        : setTimeout(() => child.kill('SIGKILL'), options.withinMs);
    const output: string[] = [];
    const tail: string[] = [];
    const listen = (stream: Readable, keep: (line: string) => void): void => {
      createInterface({ input: stream }).on('line', (line) => {
        keep(line);
        if (line.trim() !== '') tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
        options.onLine?.(line);
      });
    };
    listen(child.stdout, (line) => output.push(line));
    listen(child.stderr, () => {});
    child.on('error', (error) => {
      clearTimeout(impatience);
      resolve({ status: null, output: '', tail: [error.message] });
    });
    child.on('close', (status, signal) => {
      clearTimeout(impatience);
      if (signal !== null) tail.push(`ended by ${signal}`);
      resolve({ status, output: output.join('\n'), tail });
    });
  });
}

async function download(url: string, file: string, answerWithinMs: number): Promise<void> {
  const abort = new AbortController();
  const impatience = setTimeout(
    () => abort.abort(new Error(`no answer from ${new URL(url).host} within ${answerWithinMs} ms`)),
    answerWithinMs,
  );
  const response = await fetch(url, { signal: abort.signal }).finally(() =>
    clearTimeout(impatience),
  );
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`${new URL(url).host} answered ${response.status}`);
  }
  const limit = setTimeout(() => abort.abort(new Error('too slow')), DOWNLOAD_WITHIN_MS);
  try {
    await pipeline(Readable.fromWeb(response.body), createWriteStream(file), {
      signal: abort.signal,
    });
  } finally {
    clearTimeout(limit);
  }
}
