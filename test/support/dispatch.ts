import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createFairShare } from '../../activities/fair-share';
import { createProviderAccounts } from '../../activities/provider-accounts';
import type { DispatchSettings } from '../../activities/dispatch/turn';
import { createRelay, type Relay } from '../../api/relay';
import { startEngine, type EngineOptions } from '../../dev/stack/engine';
import { findEngineBinary } from '../../dev/stack/engine-binary';
import { thisMachine } from '../../dev/stack/machine';
import { SANDBOX_TOKEN, startSandbox, type Sandbox } from '../../dev/sandbox/index';
import { sandboxVendor } from '../../providers/messaging/sandbox/index';
import { createEncryption, type Encryption } from '../../prisma/encryption';
import { createLogger } from '../../telemetry';
import { installRuntime } from '../../workers/runtime';
import { createWorkers, type WorkerOptions } from '../../workers/worker';
import { createTestDatabase, type TestDatabase } from './database';

export interface DispatchBench extends TestDatabase {
  engineAddress: string;
  /** SIGKILL to the engine, and a new one at the same address that knows nothing. */
  loseEngine(): Promise<void>;
  /** Ends the workers and starts new ones, with these workflows or with this version's. */
  deploy(workflows?: { code: string }): Promise<void>;
  client: Client;
  sandbox: Sandbox;
  encryption: Encryption;
  relay: Relay;
  stop(): Promise<void>;
}

export const FAST: DispatchSettings = {
  leaseMs: 2_000,
  microBatch: 50,
  providerTimeoutMs: 1_000,
  turnMs: 3_000,
};

/** Database, engine, worker and stand-in vendor of a test file, all real, all its own. */
export async function startDispatch(
  settings: Partial<DispatchSettings> = {},
  engineOptions: Pick<EngineOptions, 'dynamicConfig'> = {},
  createDatabase: () => Promise<TestDatabase> = createTestDatabase,
): Promise<DispatchBench> {
  const folder = await mkdtemp(join(tmpdir(), 'regente-dispatch-'));
  const { path: binary } = await findEngineBinary(thisMachine());
  const engineParts = { ...engineOptions, binary, logFile: join(folder, 'engine.log') };
  const [database, first, sandbox] = await Promise.all([
    createDatabase(),
    startEngine(engineParts),
    startSandbox(),
  ]);
  let engine = first;
  const { db } = database;
  const logger = createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent', 'test');
  installRuntime(logger);
  const encryption = createEncryption([randomBytes(32)]);
  const accounts = createProviderAccounts({ db, encryption });
  const mail = sandboxVendor.open(
    sandboxVendor.parseConfig({
      url: sandbox.url,
      token: SANDBOX_TOKEN,
      webhookSecret: 'whsec-mail',
    }),
  );
  const native = await NativeConnection.connect({ address: engine.address });
  const options: WorkerOptions = {
    connection: native,
    namespace: 'default',
    deps: {
      dispatch: {
        db,
        accounts,
        share: createFairShare(1_000),
        settings: { ...FAST, ...settings },
        logger,
      },
      notices: {
        db,
        encryption,
        logger,
        openProvider: () => mail,
        publicUrl: 'http://localhost',
        fromName: 'Regente',
      },
    },
  };
  let working = await startWorkers(options);
  const connection = await Connection.connect({ address: engine.address });
  const client = new Client({ connection });
  return {
    ...database,
    engineAddress: engine.address,
    async loseEngine() {
      await engine.kill();
      engine = await startEngine({ ...engineParts, port: first.port });
    },
    async deploy(workflows) {
      await working.stop();
      working = await startWorkers({
        ...options,
        ...(workflows === undefined ? {} : { workflows }),
      });
    },
    client,
    sandbox,
    encryption,
    relay: createRelay({ db, client, logger }),
    async stop() {
      await working.stop();
      await Promise.all([
        native.close(),
        connection.close(),
        accounts.close(),
        mail.close(),
        sandbox.stop(),
      ]);
      await engine.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startWorkers(options: WorkerOptions): Promise<{ stop(): Promise<void> }> {
  const workers = await createWorkers(options);
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    async stop() {
      for (const worker of workers) worker.shutdown();
      await running;
    },
  };
}

export { SANDBOX_TOKEN };
