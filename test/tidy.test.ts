import { basename, dirname, extname, join, normalize } from 'node:path';
import { WAIT_REASONS } from '../domain/campaigns';
import { projectFiles, readProjectFile } from './support/project-files';

const files = projectFiles();
const endingIn = (...endings: string[]): string[] =>
  files.filter((path) => endings.includes(extname(path)));
const code = endingIn('.ts', '.js', '.mjs');
const pages = endingIn('.md');

/** Under way. What is here is not asked for; the list has to be empty in a release. */
const AWAITED: readonly string[] = [];

const manifest = JSON.parse(readProjectFile('package.json')) as {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const packages = { ...manifest.dependencies, ...manifest.devDependencies };

/** What matches in which file, one `path: match` each. */
function findings(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    [...readProjectFile(path).matchAll(pattern)].map(([match]) => `${path}: ${match.trim()}`),
  );
}

describe('code', () => {
  const written = endingIn('.ts', '.js', '.mjs', '.sql', '.prisma', '.sh', '.yml', '.yaml').filter(
    (path) => path !== 'test/tidy.test.ts',
  );

  test('keeps no notes to self', () => {
    expect(findings(written, /\b(TODO|FIXME|XXX|HACK)\b/g)).toEqual([]);
  });

  test('names no folder of a machine', () => {
    expect(findings([...written, ...pages], /(?<![\w.~])\/(work|root|home|Users)\/\w*/g)).toEqual(
      [],
    );
  });

  test('reads the environment in config.ts and in these entry files only', () => {
    const production = ['config.ts', 'prisma.config.ts'];
    const development = [
      'dev/bench/api-process.ts',
      'dev/bench/redis.ts',
      'dev/bench/regente.ts',
      'dev/chaos/installation.ts',
      'dev/demo/main.ts',
      'dev/dev.ts',
      'dev/generate-client.js',
      'dev/stack/cache.ts',
      'dev/stack/machine.ts',
    ];
    const readers = code.filter(
      (path) => !path.startsWith('test/') && readProjectFile(path).includes('process.env'),
    );
    expect(readers.filter((path) => !path.startsWith('dev/')).sort()).toEqual(production.sort());
    expect(
      readers.filter((path) => path.startsWith('dev/') && !development.includes(path)),
    ).toEqual([]);
  });

  test('asks the tables for something in prisma/ only', () => {
    const production = code.filter((path) => /^(api|activities|workers|workflows)\//.test(path));
    expect(production.length).toBeGreaterThan(50);
    const query =
      /\btx\.(?:\$\w+|\w+\.\w+)\(|\b(?:SELECT|UPDATE|DELETE|INSERT)\b[^;]*?\b(?:FROM|SET|INTO|to_regclass)\b/g;
    expect(findings(production, query)).toEqual([]);
  });

  test('hands messages to a vendor in the dispatch and in account mail only, where the gate is', () => {
    const callers = code.filter(
      (path) =>
        /^(activities|api|prisma|workers|workflows)\//.test(path) &&
        /\.send\(/.test(readProjectFile(path)),
    );
    expect(callers.sort()).toEqual(['activities/dispatch/call.ts', 'activities/notices.ts']);
  });

  test('has no file of more than 300 lines that are neither blank nor a comment', () => {
    const long = [...code, ...endingIn('.prisma', '.sh')].filter((path) => {
      const lines = readProjectFile(path).split('\n');
      return lines.filter((line) => !/^\s*($|\/\/|\/?\*|#)/.test(line)).length > 300;
    });
    expect(long).toEqual([]);
  });

  test('has no file or folder with a name that means nothing', () => {
    const meaningless = /^(utils?|helpers?|common|misc|types|shared|lib|stuff)$/;
    const named = files.filter((path) =>
      path.split('/').some((part) => meaningless.test(part.replace(/\..*$/, ''))),
    );
    expect(named).toEqual([]);
  });

  test('is named in small letters and hyphens', () => {
    const odd = code.filter((path) => !/^[a-z0-9/.-]+$/.test(path));
    expect(odd).toEqual([]);
  });
});

describe('tests', () => {
  const tests = files.filter((path) => /^test\/[^/]+\.test\.ts$/.test(path));

  test('are never skipped, singled out or run against mocks of our own', () => {
    const others = tests.filter((path) => path !== 'test/tidy.test.ts');
    const pattern =
      /\b(?:test|it|describe)\.(?:skip|only|todo|failing)\b|\bx(?:it|test|describe)\(|\bjest\.(?:mock|spyOn|useFakeTimers)\(/g;
    expect(findings(others, pattern)).toEqual([]);
  });

  test('wait for conditions, but for these that nothing could tell when to go on', () => {
    const timed = {
      'test/faults-pause.test.ts': 'PAUSED promises a silence, and a silence has only a length',
      'test/http-server.test.ts': 'answers after a moment, as something that asks a database does',
      'test/people-notices.test.ts': 'waits as long as the failure asks for, as the engine does',
      'test/support/model/index.ts': 'waits as long as the claim says, as a lane does',
      'test/support/until.ts': 'looks again and again until the condition holds',
    };
    const sleepers = files.filter(
      (path) =>
        /^test\/.*\.ts$/.test(path) &&
        path !== 'test/tidy.test.ts' &&
        /(?<!jest\.)\bsetTimeout\b|\bAtomics\.wait\b/.test(readProjectFile(path)),
    );
    expect(sleepers.sort()).toEqual(Object.keys(timed));
  });

  test('call every domain of the API, besides the one that walks all routes', () => {
    const calls = files
      .filter(
        (path) =>
          /^test\/.*\.ts$/.test(path) && !/api-surface|route-fixtures|api-routes|tidy/.test(path),
      )
      .map(readProjectFile)
      .join('\n');
    const mounts = [...readProjectFile('api/app.ts').matchAll(/\.route\('(\/[^']+)'/g)];
    expect(mounts.length).toBeGreaterThan(15);
    const untested = mounts.flatMap(([, path = '']) =>
      new RegExp(`${path}(?![\\w-])`).test(calls) ? [] : [path],
    );
    expect(untested).toEqual([]);
  });

  test('replay a recorded history of every type of workflow', () => {
    const types = [...readProjectFile('workflows/index.ts').matchAll(/export \{ (\w+) \}/g)];
    expect(types.length).toBeGreaterThan(1);
    const histories = files.filter((path) => /^test\/histories\/.*\.json$/.test(path));
    const recorded = new Set(
      histories.map(
        (path) => /"workflowType":\s*\{\s*"name":\s*"(\w+)"/.exec(readProjectFile(path))?.[1],
      ),
    );
    const missing = types.flatMap(([, name = '']) => (recorded.has(name) ? [] : [name]));
    expect(missing).toEqual([]);
  });
});

describe('documents', () => {
  test('have no link that leads nowhere', () => {
    const broken = pages.flatMap((page) =>
      [...readProjectFile(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(
        ([, link = '']) => {
          const [path = '', anchor] = link.split('#');
          const target = path === '' ? page : normalize(join(dirname(page), path));
          const isFolder = files.some((file) => file.startsWith(`${target.replace(/\/$/, '')}/`));
          if (!files.includes(target) && !isFolder) return [`${page}: ${link}`];
          return anchor === undefined || anchorsOf(target).includes(anchor)
            ? []
            : [`${page}: ${link}`];
        },
      ),
    );
    expect(broken).toEqual([]);
  });

  test('name no file of ours that is not there', () => {
    const pattern =
      /`((?:activities|api|deploy|dev|docs|domain|examples|prisma|providers|test|workers|workflows)\/[\w./-]+\.\w+)`/g;
    const missing = pages
      .filter((page) => page !== 'CHANGELOG.md')
      .flatMap((page) =>
        [...readProjectFile(page).matchAll(pattern)].flatMap(([, path = '']) =>
          files.includes(path) || AWAITED.includes(path) ? [] : [`${page}: ${path}`],
        ),
      );
    expect(missing).toEqual([]);
  });

  test('name no npm script that is not there', () => {
    const named = pages.flatMap((page) =>
      [...readProjectFile(page).matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(
        ([, name = '']) => name,
      ),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  test('docs/operations.md says what to do about every reason of a wait', () => {
    const rows = [...readProjectFile('docs/operations.md').matchAll(/^\| (`.*?) \|/gm)];
    const named = rows.flatMap(([, cell = '']) => cell.match(/(?<=`)\w+(?=`)/g) ?? []);
    expect(WAIT_REASONS.filter((reason) => !named.includes(reason))).toEqual([]);
  });

  test('STYLE.md has every rule that a lint message or a comment cites, each once', () => {
    const rules = [...readProjectFile('STYLE.md').matchAll(/^- \*\*\[([A-Z]+\d+)\]\*\*/gm)].map(
      ([, id = '']) => id,
    );
    expect(new Set(rules).size).toBe(rules.length);
    const cited = [...code, '.oxlintrc.json', 'ARCHITECTURE.md', 'README.md'].flatMap((path) =>
      [...readProjectFile(path).matchAll(/\[([A-Z]{2,}\d+)\]/g)].map(([, id = '']) => id),
    );
    expect(new Set(cited).size).toBeGreaterThan(5);
    expect(cited.filter((id) => !rules.includes(id))).toEqual([]);
  });
});

describe('package.json', () => {
  test('every script runs a file that is there or that the build makes', () => {
    const built = (JSON.parse(readProjectFile('tsconfig.build.json')) as { files: string[] }).files;
    const run = Object.values(manifest.scripts).flatMap((script) =>
      [...script.matchAll(/(?:tsx|node|-p) ([\w./-]+\.\w+)/g)].map(([, path = '']) => path),
    );
    const missing = run.filter(
      (path) =>
        !AWAITED.includes(path) &&
        !files.includes(path) &&
        !built.includes(path.replace(/^dist\/(.*)\.js$/, '$1.ts')),
    );
    expect(missing).toEqual([]);
  });

  test('pins every package to one exact version', () => {
    const loose = Object.entries(packages).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });

  test('keeps what must be equal equal', () => {
    const versionsOf = (pattern: RegExp): string[] =>
      Object.entries(packages).flatMap(([name, version]) => (pattern.test(name) ? [version] : []));
    expect(new Set(versionsOf(/^@temporalio\//)).size).toBe(1);
    expect(versionsOf(/^(prisma|@prisma\/client|@prisma\/adapter-pg)$/)).toEqual(
      Array.from({ length: 3 }, () => '7.10.0'),
    );
  });

  test('its lock names no registry and one protobufjs 8 for the replay', () => {
    const lock = JSON.parse(readProjectFile('package-lock.json')) as {
      packages: Record<string, { version?: string; resolved?: string }>;
    };
    const resolved = Object.values(lock.packages).filter((each) => each.resolved?.includes('://'));
    expect(resolved).toEqual([]);
    const copies = Object.entries(lock.packages).filter(
      ([path, { version = '' }]) => basename(path) === 'protobufjs' && version.startsWith('8.'),
    );
    expect(copies.map(([path]) => path)).toEqual(['node_modules/protobufjs']);
  });
});

/** The anchors of a page's headings, as they are linked to. */
function anchorsOf(page: string): string[] {
  return [...readProjectFile(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
