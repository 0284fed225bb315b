import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { engineConfig } from '../dev/stack/engine-postgres-config';
import { findEngineServer } from '../dev/stack/engine-server';
import { createFakePrograms, type FakePrograms } from './support/fake-programs';

let programs: FakePrograms;
let folder: string;
let lines: string[];

beforeEach(() => {
  programs = createFakePrograms();
  folder = programs.folder;
  lines = [];
});
afterEach(() => programs.remove());

const program = (name: string, body: string): string =>
  programs.program(join(programs.bin, name), body);

/** A Go that "builds" whatever it is asked for and writes down what that was. */
const go = (): string =>
  program(
    'go',
    `if [ "$1" = env ]; then echo go1.26.8; echo auto; exit; fi
while [ "$1" != -o ]; do shift; done
mkdir -p "$(dirname "$2")" && echo "$3" > "$2" && echo "$3" >> '${folder}/builds'`,
  );

const find = () => findEngineServer(programs.machine(), (line) => lines.push(line));

describe('the server and its tool', () => {
  test('on PATH are used when both are 1.32.x', async () => {
    const server = program('temporal-server', "echo 'temporal version 1.32.1'");
    const sqlTool = program('temporal-sql-tool', "echo 'temporal-sql-tool version 1.32.0'");
    expect(await find()).toEqual({ server, sqlTool });
    expect(lines).toEqual([]);
  });

  test.each([
    ['of another version', "echo 'temporal-sql-tool version 1.31.2'"],
    ['that cannot be run', 'echo broken >&2; exit 1'],
  ])('a tool %s is not used: both are built with Go, once', async (_, body) => {
    program('temporal-server', "echo 'temporal version 1.32.0'");
    program('temporal-sql-tool', body);
    go();
    const found = await find();
    expect(found).toEqual(await find());
    expect(readFileSync(found.server, 'utf8')).toBe('go.temporal.io/server/cmd/server\n');
    expect(readFileSync(found.sqlTool, 'utf8')).toBe('go.temporal.io/server/cmd/tools/sql\n');
    expect(readFileSync(join(folder, 'builds'), 'utf8').trim().split('\n')).toHaveLength(2);
    expect(lines).toContainEqual(expect.stringContaining('Building the Temporal server'));
  });

  test('are built anew where the cache has only one of them', async () => {
    go();
    const found = await find();
    rmSync(found.sqlTool);
    expect(await find()).toEqual(found);
    expect(existsSync(found.server) && existsSync(found.sqlTool)).toBe(true);
    expect(readFileSync(join(folder, 'builds'), 'utf8').trim().split('\n')).toHaveLength(4);
  });

  test('without Go the error tells what was tried and every way out', async () => {
    program('temporal-server', "echo 'temporal version 1.31.2'");
    const error = await find().then(
      () => Promise.reject(new Error('found')),
      (problem: { code: string; message: string }) => problem,
    );
    expect(error.code).toBe('CONFIGURATION');
    for (const part of [
      '1.31.2',
      'temporal-sql-tool is not on PATH',
      'Go is not installed',
      'install Go',
      '--engine postgres',
    ])
      expect(error.message).toContain(part);
  });
});

test('the configuration binds to the loopback, keeps the shards and reaches both databases', () => {
  const pair = (grpc: number) => ({ grpc, membership: grpc + 1 });
  const text = engineConfig({
    ports: { frontend: pair(10), history: pair(20), matching: pair(30), worker: pair(40) },
    postgres: { port: 5_433, user: 'temporal', password: 'with "quotes": and #' },
    historyShards: 64,
    dynamicConfigFile: '/there/dynamic.yaml',
  });
  const config: unknown = JSON.parse(text);
  const database = (databaseName: string): object => ({
    sql: expect.objectContaining({
      pluginName: 'postgres12',
      databaseName,
      connectAddr: '127.0.0.1:5433',
      password: 'with "quotes": and #',
    }),
  });
  expect(config).toMatchObject({
    persistence: {
      numHistoryShards: 64,
      defaultStore: 'executions',
      visibilityStore: 'visibility',
      datastores: {
        executions: database('temporal'),
        visibility: database('temporal_visibility'),
      },
    },
    services: {
      frontend: { rpc: { grpcPort: 10, membershipPort: 11, bindOnLocalHost: true } },
      history: { rpc: { grpcPort: 20, membershipPort: 21, bindOnLocalHost: true } },
      matching: { rpc: { grpcPort: 30, membershipPort: 31, bindOnLocalHost: true } },
      worker: { rpc: { grpcPort: 40, membershipPort: 41, bindOnLocalHost: true } },
    },
    clusterMetadata: { clusterInformation: { active: { rpcAddress: '127.0.0.1:10' } } },
    dynamicConfigClient: { filepath: '/there/dynamic.yaml' },
  });
});
