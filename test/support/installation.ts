import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readDockerfile } from './dockerfile';
import { until } from './until';

const PROJECT = resolve(__dirname, '../..');
/** Made by the build, or installed: everything else that the image ships lies in the checkout. */
const MADE = ['dist', 'node_modules'];

export interface Run {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The exit status; rejects nothing. */
  ended: Promise<number | null>;
  /** The first log line with this message. @throws when the process ends or 20 s pass before it. */
  logged(message: string): Promise<Record<string, unknown>>;
}

export interface Installation {
  dir: string;
  /** Runs `node <args>` there with this environment and nothing of the caller's. */
  run(args: readonly string[], env: Record<string, string>): Run;
  remove(): void;
}

/** Builds into a folder that has what the image has and nothing else of the checkout. */
export function install(): Installation {
  const dir = mkdtempSync(join(tmpdir(), 'regente-image-'));
  const node = (...args: string[]) =>
    execFileSync(process.execPath, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'] });
  node(
    join(PROJECT, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.build.json',
    '--outDir',
    `${dir}/dist`,
  );
  symlinkSync(join(PROJECT, 'node_modules'), join(dir, 'node_modules'));
  for (const path of readDockerfile().shipped.filter((each) => !MADE.includes(each))) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    cpSync(join(PROJECT, path), join(dir, path), { recursive: true });
  }
  node(join(dir, 'dist/workers/bundle.js'));
  const children: ChildProcess[] = [];
  return {
    dir,
    run(args, env) {
      const child = spawn(process.execPath, args, {
        cwd: dir,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.push(child);
      return follow(child);
    },
    remove() {
      for (const child of children) child.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function follow(child: ChildProcess): Run {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => (written[name] += text));
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  let over = false;
  void ended.then(() => (over = true));
  const find = (message: string): Record<string, unknown> | undefined =>
    written.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find((line) => line['msg'] === message);
  return {
    child,
    ended,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    async logged(message) {
      await until(`"${message}" is logged`, () => over || find(message) !== undefined);
      const line = find(message);
      if (line === undefined) throw new Error(`it ended:\n${written.stdout}${written.stderr}`);
      return line;
    },
  };
}
