import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startApi, type RunningApi } from '../api/server';
import { loadConfig, type Config } from '../config';
import { migrate } from '../prisma/migrate';
import { createLogger } from '../telemetry';
import { startWorker, type RunningWorker } from '../workers/main';
import { startSandboxProcess, type SandboxProcess } from './sandbox/remote';
import { SANDBOX_TOKEN, type SandboxOptions } from './sandbox/index';
import { bootstrapDatabase } from './stack/bootstrap';
import { startStack, type Stack, type StackOptions } from './stack/index';
import type { HeldPort } from './stack/ports';

export interface LocalOptions {
  dir: StackOptions['dir'];
  ui?: boolean;
  /** Released right before they are listened on; free ones when left out. */
  ports?: { api?: HeldPort; sandbox?: HeldPort };
  sandbox?: SandboxOptions;
  /** Over what `loadConfig` would find. */
  settings?: Record<string, string>;
  logLevel?: string;
  onProgress?: (line: string) => void;
}

/** The whole system on this machine: database, engine, stand-in vendor, API and worker. */
export interface Local {
  stack: Stack;
  sandbox: SandboxProcess;
  api: RunningApi;
  worker: RunningWorker;
  config: Config;
  /** The database as the tables' owner, for `npm run admin -- ledger:…`. */
  ownerUrl: string;
  /** Stops all of it in order, once, however often it is asked for. */
  stop(): Promise<void>;
}

interface Secrets {
  ownerPassword: string;
  appPassword: string;
  encryptionKey: string;
}

/** Starts everything in the order in which it is needed; what has been started is stopped again when a later part fails. */
export async function startLocal(options: LocalOptions): Promise<Local> {
  const { onProgress = () => undefined, ports = {} } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stopAll = async (): Promise<void> => {
    // A part that cannot stop in order must not keep the others running.
    for (const each of stops.toReversed()) {
      await each().catch((error: unknown) =>
        onProgress(`A part did not stop in order: ${String(error)}`),
      );
    }
  };
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= stopAll());
  try {
    const { dir, ui = false } = options;
    const stack = await startStack({ dir, ui, onProgress });
    stops.push(() => stack.stop());
    const secrets = await readSecrets(stack.dir);
    const { ownerPassword, appPassword, encryptionKey } = secrets;
    const urls = await bootstrapDatabase({
      adminUrl: stack.adminUrl,
      name: 'regente',
      ownerPassword,
      appPassword,
    });
    const applied = await migrate(urls);
    if (applied.length > 0) onProgress(`${applied.length} migrations applied`);
    await ports.sandbox?.release();
    const sandbox = await startSandboxProcess({
      port: ports.sandbox?.port ?? 0,
      ...options.sandbox,
    });
    stops.push(() => sandbox.stop());
    const config = loadConfig({
      DATABASE_URL: urls.appUrl,
      MIGRATE_DATABASE_URL: urls.ownerUrl,
      TEMPORAL_ADDRESS: stack.temporalAddress,
      ENCRYPTION_KEY: encryptionKey,
      HOST: '127.0.0.1',
      PORT: String(ports.api?.port ?? 0),
      LOG_LEVEL: options.logLevel ?? 'warn',
      NOTICE_PROVIDER: 'sandbox',
      NOTICE_PROVIDER_CONFIG: JSON.stringify({
        url: sandbox.url,
        token: SANDBOX_TOKEN,
        webhookSecret: encryptionKey,
      }),
      ...options.settings,
    });
    const logger = createLogger(config.LOG_LEVEL, 'local');
    await ports.api?.release();
    const api = await startApi(config, { logger });
    stops.push(() => api.stop());
    const worker = await startWorker(config, logger);
    stops.push(() => worker.stop());
    return { stack, sandbox, api, worker, config, ownerUrl: urls.ownerUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Made once per data folder: the data is only readable with the key that it was written with. */
async function readSecrets(dir: string): Promise<Secrets> {
  const path = join(dir, 'secrets.json');
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Secrets;
  const secrets: Secrets = {
    ownerPassword: randomBytes(16).toString('hex'),
    appPassword: randomBytes(16).toString('hex'),
    encryptionKey: randomBytes(32).toString('base64'),
  };
  await writeFile(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
