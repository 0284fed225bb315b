import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { builtEngineFile } from '../dev/stack/engine-build';
import { findEngineBinary } from '../dev/stack/engine-binary';
import { downloadedEngineFile } from '../dev/stack/engine-download';
import { thisMachine, type Machine } from '../dev/stack/machine';
import { createFakePrograms, type FakePrograms } from './support/fake-programs';
import { prepareEngine } from './support/prepare-engine';

const FITTING = 'temporal version 1.9.1 (Server 1.32.0, UI 2.50.1)';
const OLDER = 'temporal version 1.8.2 (Server 1.31.2, UI 2.49.1)';

let programs: FakePrograms;
let folder: string;
let bin: string;
let lines: string[];

beforeEach(() => {
  programs = createFakePrograms();
  ({ folder, bin } = programs);
  lines = [];
});
afterEach(() => programs.remove());

const program = (path: string, body: string): string => programs.program(path, body);

const temporal = (path: string, version: string): string => program(path, `echo '${version}'`);

/** A Go that "builds" an engine of this version, and writes a line per build into `builds`. */
const go = (options: { version?: string; toolchain?: string; build?: string } = {}): string =>
  program(
    join(bin, 'go'),
    `if [ "$1" = env ]; then echo ${options.version ?? 'go1.26.8'}; echo ${options.toolchain ?? 'auto'}; exit; fi
${
  options.build ??
  `echo build >> '${folder}/builds'
sleep 0.3
while [ "$1" != -o ]; do shift; done
mkdir -p "$(dirname "$2")"
printf '#!/bin/sh\\necho "${FITTING}"\\n' > "$2" && chmod 755 "$2"`
}`,
  );

/** This machine with its own PATH and cache, and without a network unless `download` is given. */
function machine(
  env: Record<string, string> = {},
  download: Machine['download'] = () => Promise.reject(new Error('no network here')),
): Machine {
  return { ...programs.machine(env), platform: 'linux', arch: 'x64', download };
}

const find = (on: Machine) => findEngineBinary(on, (line) => lines.push(line));
const failure = async (on: Machine): Promise<{ code: string; message: string }> =>
  find(on).then(
    (found) => Promise.reject(new Error(`found ${found.path}`)),
    (error: { code: string; message: string }) => error,
  );
const drafts = (): string[] =>
  existsSync(join(folder, 'cache', 'temporal'))
    ? readdirSync(join(folder, 'cache', 'temporal')).filter((name) => /draft|lock/.test(name))
    : [];

describe('TEMPORAL_CLI', () => {
  test('wins over everything else when it fits', async () => {
    const path = temporal(join(folder, 'mine'), FITTING);
    temporal(join(bin, 'temporal'), FITTING);
    expect(await find(machine({ TEMPORAL_CLI: path }))).toEqual({ path, origin: 'TEMPORAL_CLI' });
  });

  test.each([
    ['is not there', () => join(folder, 'nothing'), 'does not exist'],
    [
      'cannot be run',
      () => {
        const path = join(folder, 'text');
        writeFileSync(path, 'hello', { mode: 0o644 });
        return path;
      },
      'cannot be run',
    ],
    [
      'fails',
      () => program(join(folder, 'broken'), 'echo broken library >&2; exit 3'),
      'broken library',
    ],
    ['is another program', () => program(join(folder, 'other'), 'echo hello'), 'does not tell'],
    ['has an older server', () => temporal(join(folder, 'older'), OLDER), '1.31.2'],
    [
      'has a pre-release server',
      () => temporal(join(folder, 'pre'), 'temporal version x (Server 1.32.0-155.0, UI 2)'),
      '1.32.0-155.0',
    ],
  ])('that %s is an error that says so, although PATH has a fitting one', async (_, make, says) => {
    temporal(join(bin, 'temporal'), FITTING);
    const path = make();
    const error = await failure(machine({ TEMPORAL_CLI: path }));
    expect(error.code).toBe('CONFIGURATION');
    expect(error.message).toContain(path);
    expect(error.message).toContain(says);
    expect(error.message).toContain('leave it out');
  });
});

describe('without TEMPORAL_CLI', () => {
  test('a fitting `temporal` on PATH is used', async () => {
    const path = temporal(join(bin, 'temporal'), FITTING.replace('1.32.0', '1.32.4'));
    expect(await find(machine())).toEqual({ path, origin: 'PATH' });
  });

  test('another version on PATH is passed over, with a line that says why', async () => {
    temporal(join(bin, 'temporal'), OLDER);
    const on = machine();
    const path = temporal(builtEngineFile(on), FITTING);
    expect(await find(on)).toEqual({ path, origin: 'cache' });
    expect(lines).toEqual([expect.stringContaining('1.31.2')]);
  });

  test('the cache is used before any download or build', async () => {
    const on = machine({}, () => Promise.reject(new Error('a download was tried')));
    const path = temporal(downloadedEngineFile(on), FITTING);
    expect(await find(on)).toEqual({ path, origin: 'cache' });
    expect(lines).toEqual([]);
  });

  test('the official download is pinned, lands in the cache and is not fetched again', async () => {
    const urls: string[] = [];
    const on = machine({}, (url, file) => {
      urls.push(url);
      return archive(file, FITTING);
    });
    expect(await find(on)).toEqual({ path: downloadedEngineFile(on), origin: 'download' });
    expect(await find(on)).toEqual({ path: downloadedEngineFile(on), origin: 'cache' });
    expect(urls).toEqual([
      'https://temporal.download/cli/archive/v1.9.1?platform=linux&arch=amd64',
    ]);
    expect(drafts()).toEqual([]);
  });

  test('a download of another version is thrown away and the engine built', async () => {
    go();
    const on = machine({}, (_url, file) => archive(file, OLDER));
    expect(await find(on)).toEqual({ path: builtEngineFile(on), origin: 'build' });
    expect(existsSync(downloadedEngineFile(on))).toBe(false);
    expect(drafts()).toEqual([]);
  });

  test('without a network it is built with Go, once, with lines that say so', async () => {
    go();
    const on = machine();
    expect(await find(on)).toEqual({ path: builtEngineFile(on), origin: 'build' });
    expect(lines).toContainEqual(expect.stringContaining('three minutes'));
    expect(await find(on)).toEqual({ path: builtEngineFile(on), origin: 'cache' });
    expect(drafts()).toEqual([]);
  });

  test('two that start at once build it once, and the second says that it waits', async () => {
    go();
    const on = machine();
    const found = await Promise.all([find(on), find(on)]);
    expect(found.map(({ path }) => path)).toEqual([builtEngineFile(on), builtEngineFile(on)]);
    expect(readFileSync(join(folder, 'builds'), 'utf8')).toBe('build\n');
    expect(lines).toContainEqual(expect.stringContaining('waiting'));
  });

  test('a build that broke off is no obstacle to the next', async () => {
    go({ build: 'exit 1' });
    const on = machine();
    await failure(on);
    go();
    expect((await find(on)).origin).toBe('build');
  });
});

describe('when nothing is found', () => {
  test('no Go and no network: the error tells all that was tried and every way out', async () => {
    temporal(join(bin, 'temporal'), OLDER);
    const error = await failure(machine());
    expect(error.code).toBe('CONFIGURATION');
    for (const part of ['1.31.2', 'no network here', 'Go is not installed']) {
      expect(error.message).toContain(part);
    }
    for (const remedy of ['PATH', 'TEMPORAL_CLI', 'install Go']) {
      expect(error.message).toContain(remedy);
    }
  });

  test('a platform without a download says so and goes on to the build', async () => {
    const error = await failure({ ...machine(), arch: 'ppc64' });
    expect(error.message).toContain('ppc64');
    expect(error.message).toContain('Go is not installed');
  });

  test.each([
    ['1.20.14', 'auto'],
    ['1.25.3', 'local'],
  ])(
    'Go %s with GOTOOLCHAIN=%s is too old, and the error says which is needed',
    async (version, toolchain) => {
      go({ version: `go${version}`, toolchain });
      const error = await failure(machine());
      expect(error.message).toContain(`Go ${version}`);
      expect(error.message).toContain('1.26.8');
    },
  );

  test('an older Go that may fetch a newer one is let to', async () => {
    go({ version: 'go1.22.1', toolchain: 'auto' });
    expect((await find(machine())).origin).toBe('build');
  });

  test('a Go that cannot be run is named', async () => {
    go({ version: '; exit 2' });
    expect((await failure(machine())).message).toContain(join(bin, 'go'));
  });

  test.each([
    [
      'cannot fetch',
      'go: example.com/x: dial tcp: lookup proxy.golang.org: no such host',
      'GOPROXY',
    ],
    ['fills the disk', 'write /tmp/x: no space left on device', '4 GB'],
    ['does not compile', 'main.go:403:1: syntax error', 'Report it'],
  ])('a build that %s ends with its last lines and what to do', async (_, says, remedy) => {
    go({ build: `echo first line; echo '${says}' >&2; exit 1` });
    const error = await failure(machine());
    expect(error.message).toContain(says);
    expect(error.message).toContain(remedy);
    expect(drafts()).toEqual([]);
  });
});

describe('the download', () => {
  test('gives up on a server that does not answer in time, and on one that refuses', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/refused') response.writeHead(403).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { download } = thisMachine();
    const file = join(folder, 'file');
    await expect(download(`${base}/silent`, file, 100)).rejects.toThrow('within 100 ms');
    await expect(download(`${base}/refused`, file, 5_000)).rejects.toThrow('403');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

/** What the download would bring: a gzipped archive with a `temporal` that tells this version. */
async function archive(file: string, version: string): Promise<void> {
  const source = mkdtempSync(join(folder, 'archive-'));
  temporal(join(source, 'temporal'), version);
  writeFileSync(join(source, 'LICENSE'), 'text');
  const { status } = await thisMachine().run('tar', [
    '-czf',
    file,
    '-C',
    source,
    'temporal',
    'LICENSE',
  ]);
  expect(status).toBe(0);
}

describe('before the first test', () => {
  const prepare = (on: Machine): Promise<void> => prepareEngine(on, (line) => lines.push(line));

  test('a fresh machine builds the engine, and says so before it begins and when it is done', async () => {
    go();
    const on = machine();
    await prepare(on);
    expect(lines).toContainEqual(expect.stringContaining('about three minutes'));
    expect(lines.at(-1)).toContain('The engine is built');
    expect(existsSync(builtEngineFile(on))).toBe(true);
  });

  test('nothing is said where there is one', async () => {
    const on = machine();
    temporal(builtEngineFile(on), FITTING);
    await prepare(on);
    expect(lines).toEqual([]);
  });

  test('a machine that can have none hears what to do, and goes on with the tests that need none', async () => {
    await prepare(machine());
    expect(lines.at(-1)).toContain('set TEMPORAL_CLI to its path');
  });
});
