import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase, type Database } from '../../prisma/client';
import { createEncryption, type Encryption } from '../../prisma/encryption';
import { migrate } from '../../prisma/migrate';
import { buildProduction } from '../bench/production-build';
import { startSandboxProcess, type SandboxProcess } from '../sandbox/remote';
import type { SandboxOptions } from '../sandbox/index';
import { bootstrapDatabase } from '../stack/bootstrap';
import { startStack, type Stack } from '../stack/index';
import { freePort } from '../stack/ports';
import { startRegente, type RegenteProcess } from './processes';

/** Everything that a campaign needs, each part in a process of its own that can be killed and comes back. */
export interface Installation {
  stack: Stack;
  sandbox: SandboxProcess;
  /** Where the API listens, whenever one runs. */
  apiUrl: string;
  /** The superuser's connection to the application's database. */
  adminUrl: string;
  /** As the application; for setting a scene, not for watching an outage. */
  db: Database;
  encryption: Encryption;
  /** At most one at a time. */
  startApi(): Promise<RegenteProcess>;
  startWorker(): Promise<RegenteProcess>;
  /** Ends every process of it and removes its folder. */
  stop(): Promise<void>;
}

export interface InstallationOptions {
  sandbox?: SandboxOptions;
  /** Over what the processes would take by default. */
  settings?: Readonly<Record<string, string>>;
  onProgress?: (line: string) => void;
}

const DATABASE = 'regente';

/** Builds Regente, starts servers and vendor, and leaves API and workers to the caller. */
export async function openInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const { sandbox: vendor = {}, settings = {}, onProgress = () => undefined } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    // Durable: the engine's state must outlive it, as in production.
    const stack = await startStack({ dir: 'temporary', durable: true, onProgress });
    stops.push(() => stack.stop());
    const [startFile, urls, sandbox] = await Promise.all([
      buildProduction(join(stack.dir, 'app')),
      createDatabase(stack.adminUrl),
      startSandboxProcess(vendor),
    ]);
    stops.push(() => sandbox.stop());
    const db = openDatabase({ url: urls.appUrl, maxConnections: 4 });
    stops.push(() => db.close());
    const apiPort = await freePort();
    const encryptionKey = randomBytes(32);
    const env = {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: urls.appUrl,
      TEMPORAL_ADDRESS: stack.temporalAddress,
      ENCRYPTION_KEY: encryptionKey.toString('base64'),
      PUBLIC_URL: `http://127.0.0.1:${apiPort}`,
      API_REQUESTS_PER_MINUTE: '1000000',
      LOG_LEVEL: 'info',
      ...settings,
    };
    let starts = 0;
    const start = async (part: 'api' | 'worker', port: number): Promise<RegenteProcess> => {
      starts += 1;
      const name = `${part}-${starts}`;
      // So that PostgreSQL says of each of its connections whose it is.
      const url = new URL(urls.appUrl);
      url.searchParams.set('application_name', name);
      const started = await startRegente({
        name,
        part,
        startFile,
        env: { ...env, DATABASE_URL: url.href },
        port,
        logFile: join(stack.dir, `${name}.log`),
      });
      stops.push(() => started.kill());
      return started;
    };
    return {
      stack,
      sandbox,
      apiUrl: env.PUBLIC_URL,
      adminUrl: inDatabase(stack.adminUrl),
      db,
      encryption: createEncryption([encryptionKey]),
      startApi: () => start('api', apiPort),
      startWorker: async () => start('worker', await freePort()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createDatabase(adminUrl: string): Promise<{ appUrl: string }> {
  const urls = await bootstrapDatabase({
    adminUrl,
    name: DATABASE,
    ownerPassword: randomBytes(12).toString('hex'),
    appPassword: randomBytes(12).toString('hex'),
  });
  await migrate(urls);
  return urls;
}

function inDatabase(url: string): string {
  const changed = new URL(url);
  changed.pathname = `/${DATABASE}`;
  return changed.href;
}
