import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readCompose } from './support/compose';
import { readDockerfile } from './support/dockerfile';

const PROJECT = join(__dirname, '..');
const { lines, shipped } = readDockerfile();
const stages = lines.flatMap((line, at) => (line.startsWith('FROM ') ? [at] : []));
const build = lines.slice(stages[0], stages[1]);
const last = lines.slice(stages[1]);
const find = (from: string[], word: string): string[] =>
  from.filter((line) => line.startsWith(`${word} `));

/** Whether .dockerignore, which leaves everything out but what it names, lets a path into the build. */
function isSent(path: string): boolean {
  const rules = readFileSync(join(PROJECT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  let sent = true;
  for (const rule of rules) {
    const name = rule.replace(/^!/, '');
    if (name === '*' || path === name || path.startsWith(`${name}/`)) sent = rule.startsWith('!');
  }
  return sent;
}

test('is built in two stages on one pinned Node 24', () => {
  const [first, second] = stages.map((at) => lines[at]);
  expect(first).toMatch(/^FROM node:24\.\d+\.\d+-trixie-slim AS build$/);
  expect(second).toBe(first?.replace(' AS build', ''));
});

test('does not run as root', () => {
  expect(find(last, 'USER')).toEqual(['USER node']);
  expect(last.indexOf('USER node')).toBeGreaterThan(last.lastIndexOf(find(last, 'COPY').at(-1)!));
});

test('copies only what is there, and what the build makes', () => {
  const sources = find(build, 'COPY').flatMap((line) => line.split(' ').slice(1, -1));
  for (const path of [...sources, ...shipped].filter((each) => each !== '.')) {
    const made = ['dist', 'node_modules'].includes(path);
    expect([path, made || (existsSync(join(PROJECT, path)) && isSent(path))]).toEqual([path, true]);
  }
});

test('is sent every file that the build reads, and no secret', () => {
  const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc');
  const listing = execFileSync(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--listFilesOnly'],
    { cwd: PROJECT, encoding: 'utf8' },
  );
  const read = listing
    .split('\n')
    .map((path) => relative(PROJECT, path.trim()))
    .filter((path) => path !== '' && !/^(\.\.|node_modules|prisma\/generated)/.test(path));
  expect(read).toContain('start.ts');
  expect(read.filter((path) => !isSent(path))).toEqual([]);
  for (const path of ['.env', '.git', '.regente', 'node_modules', 'test', 'prisma/generated']) {
    expect([path, isSent(path)]).toEqual([path, false]);
  }
});

test('starts the API and checks its health as docker-compose.yml does', () => {
  const api = readCompose().services['api'];
  const words = (line = ''): unknown => JSON.parse(line.slice(line.indexOf('[')));
  expect(words(find(last, 'CMD')[0])).toEqual(api?.command);
  expect(words(find(last, 'HEALTHCHECK')[0])).toEqual(api?.healthcheck?.test?.slice(1));
  expect(find(last, 'EXPOSE')).toEqual(['EXPOSE 3000 3001 3002']);
});
