import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { startStack } from '../dev/stack';
import { temporaryRoot } from '../dev/stack/cache';
import { startEngine, type Engine } from '../dev/stack/engine';
import { findEngineBinary } from '../dev/stack/engine-binary';
import { thisMachine } from '../dev/stack/machine';
import { waitDays } from './support/stack-workflows';

let binary: string;
let folder: string;
const running: Engine[] = [];

// A fresh machine builds the engine here.
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  binary = (await findEngineBinary(thisMachine())).path;
}, 900_000);
beforeEach(() => {
  folder = mkdtempSync(join(temporaryRoot(), 'regente-test-'));
  chmodSync(folder, 0o711);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((engine) => engine.kill()));
  rmSync(folder, { recursive: true, force: true });
});

const start = async (options: Partial<Parameters<typeof startEngine>[0]> = {}): Promise<Engine> => {
  const engine = await startEngine({ binary, logFile: join(folder, 'engine.log'), ...options });
  running.push(engine);
  return engine;
};

async function connected<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

/** Starts a workflow that no worker takes: it stays as it is. */
const startWaiting = (client: Client, workflowId: string): Promise<unknown> =>
  client.workflow.start(waitDays, { workflowId, taskQueue: 'nobody', args: [1] });

describe('the engine', () => {
  test('takes workflows as soon as it is said to be started, without a web interface', async () => {
    const engine = await start();
    expect(engine.uiUrl).toBeNull();
    await connected(engine.address, (client) => startWaiting(client, 'first'));
    await engine.stop();
    expect(await engine.exited).toBe('exit status 0');
  });

  test('has the further namespace, the search attributes and the web interface asked for', async () => {
    const engine = await start({
      namespace: 'other',
      searchAttributes: { companyId: 'Keyword' },
      uiPort: 0,
    });
    await connected(engine.address, async ({ workflowService, connection }) => {
      for (const namespace of ['default', 'other']) {
        await workflowService.describeNamespace({ namespace });
        const { customAttributes } = await (
          connection as Connection
        ).operatorService.listSearchAttributes({ namespace });
        expect(customAttributes).toHaveProperty('companyId');
      }
    });
    expect((await fetch(engine.uiUrl!)).status).toBe(200);
  });

  test('with a file keeps its workflows over SIGKILL and comes back on the same port', async () => {
    const options = {
      dbFile: join(folder, 'engine.db'),
      searchAttributes: { companyId: 'Keyword' },
    } as const;
    const engine = await start(options);
    await connected(engine.address, (client) => startWaiting(client, 'kept'));
    await engine.kill();
    const again = await start({ ...options, port: engine.port });
    expect(again.address).toBe(engine.address);
    const status = await connected(
      again.address,
      async (client) => (await client.workflow.getHandle('kept').describe()).status.name,
    );
    expect(status).toBe('RUNNING');
  });

  test.each(['port', 'uiPort'] as const)('says so when its %s is in use', async (which) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ [which]: port })).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    other.close();
  });

  test('that cannot start ends the wait at once with its own words', async () => {
    await expect(start({ dbFile: join(folder, 'no', 'such', 'folder.db') })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('no/such'),
    });
    await expect(start({ binary: join(folder, 'nothing') })).rejects.toMatchObject({
      code: 'CONFIGURATION',
    });
  });

  test('fires a timer of 30 days within seconds when time is skipped', async () => {
    const engine = await start();
    const connection = await NativeConnection.connect({ address: engine.address });
    const worker = await Worker.create({
      connection,
      taskQueue: 'time',
      workflowsPath: require.resolve('./support/stack-workflows'),
    });
    const days = await worker.runUntil(
      connected(engine.address, async (client) => {
        const handle = await client.workflow.start(waitDays, {
          workflowId: randomUUID(),
          taskQueue: 'time',
          args: [30],
        });
        const began = Date.now();
        await fastForward(client, handle.workflowId, 30 * 86_400);
        const result = await handle.result();
        expect(Date.now() - began).toBeLessThan(10_000);
        return result;
      }),
    );
    await connection.close();
    expect(days).toBeGreaterThanOrEqual(30);
    expect(days).toBeLessThan(31);
  });
});

describe('the whole stack', () => {
  test('starts twice at once, each with its own folder and ports, and leaves nothing behind', async () => {
    const lines: string[] = [];
    const stacks = await Promise.all(
      [1, 2].map(() => startStack({ dir: 'temporary', onProgress: (line) => lines.push(line) })),
    );
    const [one, two] = stacks;
    expect(one!.dir).not.toBe(two!.dir);
    await connected(one!.temporalAddress, (client) => startWaiting(client, 'mine'));
    await connected(two!.temporalAddress, (client) =>
      expect(client.workflow.getHandle('mine').describe()).rejects.toThrow(),
    );
    expect(lines).toHaveLength(4);
    await Promise.all(stacks.map((stack) => stack.stop()));
    for (const stack of stacks) {
      expect(existsSync(stack.dir)).toBe(false);
      expect(stack.postgres.hasExited() && stack.engine.hasExited()).toBe(true);
    }
  });

  test('with a folder keeps everything from one start to the next, and only one runs there', async () => {
    const stack = await startStack({ dir: folder });
    await connected(stack.temporalAddress, (client) => startWaiting(client, 'kept'));
    await expect(startStack({ dir: folder })).rejects.toMatchObject({ code: 'CONFLICT' });
    await stack.stop();
    const again = await startStack({ dir: folder });
    await connected(again.temporalAddress, (client) =>
      client.workflow.getHandle('kept').describe(),
    );
    await again.stop();
  });

  test('is revived where it was after both servers were killed', async () => {
    const stack = await startStack({ dir: 'temporary', durable: true });
    await connected(stack.temporalAddress, (client) => startWaiting(client, 'kept'));
    const { pid } = stack.postgres;
    await Promise.all([stack.postgres.kill(), stack.engine.kill()]);
    await stack.revive();
    expect(stack.postgres.pid).not.toBe(pid);
    await connected(stack.temporalAddress, (client) =>
      client.workflow.getHandle('kept').describe(),
    );
    await stack.stop();
    expect(existsSync(stack.dir)).toBe(false);
  });

  test('that cannot start leaves nothing running and nothing behind', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const before = readdirSync(temporaryRoot()).filter((name) => name.startsWith('regente-'));
    await expect(startStack({ dir: 'temporary', ports: { engine: port } })).rejects.toMatchObject({
      code: 'CONFIGURATION',
    });
    const after = readdirSync(temporaryRoot()).filter((name) =>
      name.startsWith(`regente-stack-${process.pid}-`),
    );
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
    other.close();
  });
});

/** Lets this time pass for a workflow, all at once. */
async function fastForward(client: Client, workflowId: string, seconds: number): Promise<void> {
  const { namespace } = client.options;
  const id = randomUUID();
  await client.workflowService.updateWorkflowExecutionOptions({
    namespace,
    workflowExecution: { workflowId },
    workflowExecutionOptions: {
      timeSkippingConfig: {
        enabled: true,
        fastForwardConfig: { id, duration: { seconds: seconds as never } },
      },
    },
    updateMask: { paths: ['time_skipping_config'] },
  });
}
