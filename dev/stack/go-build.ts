import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { installOnce, makeFolder } from './cache';
import { waitForLock } from './lock';
import { engineFolder, type Machine } from './machine';

const MODULE_FILES = ['go.mod', 'go.sum'];
const PROGRESS_EVERY_MS = 15_000;
/** From this one on, Go fetches a newer Go by itself where it is allowed to. */
const FIRST_GO_THAT_UPGRADES = [1, 21];

/** Programs that one module of ours pins, with everything in them, by hash. */
export interface GoBuild<Program extends string = string> {
  /** As it is called in lines and errors: "the engine". */
  what: string;
  /** How long it takes on two cores: "about three minutes". */
  takes: string;
  /** The folder with the go.mod and go.sum. */
  moduleFolder: string;
  /** How its folder in the cache begins. */
  cacheName: string;
  /** The Go package of each program. */
  programs: Readonly<Record<Program, string>>;
}

/** Where the cache has this program once it is built. */
export function builtFile<Program extends string>(
  machine: Machine,
  build: GoBuild<Program>,
  program: Program,
): string {
  return join(buildFolder(machine, build), 'bin', program);
}

/** Whether the cache has every program of it. */
export function isBuilt<Program extends string>(
  machine: Machine,
  build: GoBuild<Program>,
): boolean {
  const folder = buildFolder(machine, build);
  return Object.keys(build.programs).every((program) => existsSync(join(folder, 'bin', program)));
}

function buildFolder(machine: Machine, { moduleFolder, cacheName }: GoBuild): string {
  const hash = createHash('sha256');
  for (const file of MODULE_FILES) hash.update(readFileSync(join(moduleFolder, file)));
  return engineFolder(machine, `${cacheName}-${hash.digest('hex').slice(0, 12)}`);
}

/**
 * Builds the programs of a module into the cache, one process at a time; answers with what went wrong and what
 * to do instead of throwing.
 */
export async function buildWithGo(
  machine: Machine,
  build: GoBuild,
  onProgress: (line: string) => void,
): Promise<{ problem: string } | null> {
  const go = machine.findOnPath('go');
  if (go === null) return { problem: 'Go is not installed.' };
  const tooOld = await goProblem(machine, build, go);
  if (tooOld !== null) return { problem: tooOld };

  const folder = buildFolder(machine, build);
  await makeFolder(dirname(folder));
  const lock = await waitForLock(`${folder}.lock`, (holder) =>
    onProgress(`Process ${holder.pid} is building ${build.what} already; waiting for it.`),
  );
  try {
    if (isBuilt(machine, build)) return null;
    // A checkout that needed fewer programs may have made it.
    await rm(folder, { recursive: true, force: true });
    onProgress(`Building ${build.what} with Go: ${build.takes}, once on this machine.`);
    return await compile(machine, build, { go, folder }, onProgress);
  } finally {
    await lock.release();
  }
}

async function compile(
  machine: Machine,
  build: GoBuild,
  { go, folder }: { go: string; folder: string },
  onProgress: (line: string) => void,
): Promise<{ problem: string } | null> {
  const report = buildProgress(build, onProgress);
  let failure: string | null = null;
  try {
    await installOnce(folder, async (draft) => {
      // Built from a copy: Go writes nothing into the checkout, and the checkout may be read-only.
      for (const file of MODULE_FILES) await cp(join(build.moduleFolder, file), join(draft, file));
      for (const [program, source] of Object.entries(build.programs)) {
        const output = join(draft, 'bin', program);
        const outcome = await machine.run(go, [...BUILD, '-ldflags=-s -w', '-o', output, source], {
          cwd: draft,
          env: { CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '' },
          onLine: report.line,
        });
        if (outcome.status !== 0) {
          failure = buildFailure(outcome.tail);
          throw new Error(failure);
        }
      }
      for (const file of MODULE_FILES) await rm(join(draft, file));
    });
    onProgress(`${capitalized(build.what)} is built (${report.elapsed()}).`);
    return null;
  } catch (error) {
    if (failure !== null) return { problem: failure };
    throw error;
  } finally {
    report.end();
  }
}

const BUILD = ['build', '-v', '-trimpath', '-buildvcs=false', '-tags', 'disable_grpc_modules'];

/** Go prints a line for every module it fetches and every package it compiles; one line in a while is enough. */
function buildProgress(
  { what }: GoBuild,
  onProgress: (line: string) => void,
): {
  line: (line: string) => void;
  elapsed: () => string;
  end: () => void;
} {
  const began = Date.now();
  let fetched = 0;
  let compiled = 0;
  const elapsed = (): string => {
    const seconds = Math.round((Date.now() - began) / 1000);
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  };
  const timer = setInterval(() => {
    onProgress(
      `Building ${what}: ${fetched} modules fetched, ${compiled} packages compiled (${elapsed()}).`,
    );
  }, PROGRESS_EVERY_MS);
  return {
    line: (line) => {
      if (line.startsWith('go: downloading ')) fetched += 1;
      else if (/^[\w.-]+(\/[\w.~-]+)*$/.test(line)) compiled += 1;
    },
    elapsed,
    end: () => clearInterval(timer),
  };
}

async function goProblem(
  machine: Machine,
  { what, moduleFolder }: GoBuild,
  go: string,
): Promise<string | null> {
  const needed = /^go (\S+)/m.exec(readFileSync(join(moduleFolder, 'go.mod'), 'utf8'))?.[1] ?? '';
  const outcome = await machine.run(go, ['env', 'GOVERSION', 'GOTOOLCHAIN'], { withinMs: 20_000 });
  const [version = '', toolchain = ''] = outcome.output.split('\n');
  const found = /^go(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  if (outcome.status !== 0 || found === null) {
    return `${go} cannot be run (${outcome.tail.at(-1) ?? 'it told no version'}).`;
  }
  const parts = found.slice(1).map((part) => Number(part ?? 0));
  if (!isOlder(parts, needed.split('.').map(Number))) return null;
  if (!isOlder(parts, FIRST_GO_THAT_UPGRADES) && toolchain !== 'local') return null;
  return `${go} is Go ${parts.join('.')}, and ${what} needs ${needed} or newer (https://go.dev/dl/).`;
}

function isOlder(version: readonly number[], than: readonly number[]): boolean {
  for (const [index, part] of than.entries()) {
    const own = version[index] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}

const NO_NETWORK =
  /dial tcp|no such host|i\/o timeout|TLS handshake|proxyconnect|: (403 Forbidden|404 Not Found|407 Proxy|50\d )/;

function buildFailure(tail: readonly string[]): string {
  const text = tail.map((line) => `      ${line}`).join('\n');
  const remedy = NO_NETWORK.test(text)
    ? 'Go could not fetch its modules: let it reach proxy.golang.org, or set GOPROXY to a proxy that it can reach.'
    : /no space left/.test(text)
      ? 'The disk is full: about 4 GB are needed.'
      : 'Report it with these lines.';
  return `${remedy} Go said:\n${text}`;
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
