import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Connection } from '@temporalio/client';
import { startEngine, type Engine } from '../dev/stack/engine';
import { findEngineBinary } from '../dev/stack/engine-binary';
import { thisMachine } from '../dev/stack/machine';
import { connectEngine } from '../workers/connect';
import { createLogger } from '../telemetry';
import { until } from './support/until';

const NAMES = ['RegenteCampaign', 'RegenteCompany', 'RegenteState'];
const KEYWORD = 2;

let binary: string;
let folder: string;
let engine: Engine;
let connection: Connection;
// A fresh machine builds the engine here.
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'regente-attributes-'));
  binary = (await findEngineBinary(thisMachine())).path;
  engine = await startEngine({ binary, logFile: join(folder, 'engine.log') });
  connection = await Connection.connect({ address: engine.address });
}, 900_000);
afterAll(async () => {
  await connection.close();
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function ours(namespace: string): Promise<Record<string, number>> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return Object.fromEntries(NAMES.map((name) => [name, customAttributes[name] ?? 0]));
}
const ALL = Object.fromEntries(NAMES.map((name) => [name, KEYWORD]));
const NONE = Object.fromEntries(NAMES.map((name) => [name, 0]));

test('a worker registers what its workflows set in a namespace that does not know it, and again is no error', async () => {
  const namespace = 'bare';
  const { address } = engine;
  execFileSync(binary, ['operator', 'namespace', 'create', '-n', namespace, '--address', address]);
  await until('the namespace answers', () =>
    ours(namespace).then(
      () => true,
      () => false,
    ),
  );
  expect(await ours(namespace)).toEqual(NONE);
  for (let times = 0; times < 2; times += 1) {
    const options = { address, namespace, logger: createLogger('silent', 'test') };
    const connected = await connectEngine({
      ...options,
      untilAborted: AbortSignal.timeout(30_000),
    });
    await connected.close();
    expect(await ours(namespace)).toEqual(ALL);
  }
});

test('the namespace step of docker-compose.yml makes a namespace that knows them, and again is no error', async () => {
  for (let times = 0; times < 2; times += 1) {
    const said = execFileSync('sh', [join(__dirname, '../deploy/temporal/namespace.sh')], {
      encoding: 'utf8',
      env: {
        PATH: `${dirname(binary)}:/usr/bin:/bin`,
        HOME: folder,
        TEMPORAL_ADDRESS: engine.address,
        TEMPORAL_NAMESPACE: 'production',
        RETENTION: '7d',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(said).toContain('The namespace production is ready.');
    expect(await ours('production')).toEqual(ALL);
  }
});
