import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { migrate } from '../../prisma/migrate';
import { SANDBOX_TOKEN } from '../sandbox/index';
import { startSandboxProcess, type SandboxProcess } from '../sandbox/remote';
import { bootstrapDatabase } from '../stack/bootstrap';
import { startPostgresEngine } from '../stack/engine-postgres';
import { ENGINE_DATABASES } from '../stack/engine-postgres-config';
import { startStack, type StackOptions } from '../stack/index';

/** What all contenders share: one vendor, one PostgreSQL, one engine. */
export interface Stage {
  dir: string;
  durable: boolean;
  sandbox: SandboxProcess;
  sandboxToken: string;
  appUrl: string;
  /** The superuser's connection to the same database. */
  adminUrl: string;
  /** Set-up and counting only. */
  admin: Client;
  temporalAddress: string;
  /** The two servers behind it all, for what they cost. */
  servers: { enginePid: number; postgresPid: number };
  /** The engine's own databases on this PostgreSQL; none with the dev server. */
  engineDatabases: readonly string[];
  stop(): Promise<void>;
}

/** The dev server, or the server as it runs in production, with PostgreSQL behind it. */
export const ENGINE_KINDS = ['dev', 'postgres'] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

export interface StageOptions {
  durable: boolean;
  latencyMs: number;
  engine: EngineKind;
  /** Of the engine on PostgreSQL. */
  historyShards: number;
  onProgress: (line: string) => void;
}

/** What a message costs, in the budget's currency. */
export const PRICE = '0.0500';

const DATABASE = 'regente';

/** Starts them in a temporary folder that goes with them; what has been started is stopped when a later part fails. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const { durable, latencyMs, onProgress } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    const stack = await startStack({
      dir: 'temporary',
      durable,
      onProgress,
      ...chosenEngine(options),
    });
    stops.push(() => stack.stop());
    const urls = await bootstrapDatabase({
      adminUrl: stack.adminUrl,
      name: DATABASE,
      ownerPassword: randomBytes(12).toString('hex'),
      appPassword: randomBytes(12).toString('hex'),
    });
    await migrate(urls);
    const adminUrl = new URL(stack.adminUrl);
    adminUrl.pathname = `/${DATABASE}`;
    const admin = new Client({ connectionString: adminUrl.href });
    await admin.connect();
    stops.push(() => admin.end());
    const sandbox = await startSandboxProcess({
      numberRules: false,
      latency: latencyMs === 0 ? null : { kind: 'fixed', ms: latencyMs },
    });
    stops.push(() => sandbox.stop());
    return {
      dir: stack.dir,
      durable,
      sandbox,
      sandboxToken: SANDBOX_TOKEN,
      appUrl: urls.appUrl,
      adminUrl: adminUrl.href,
      admin,
      temporalAddress: stack.temporalAddress,
      servers: { enginePid: stack.engine.pid, postgresPid: stack.postgres.pid },
      engineDatabases:
        options.engine === 'postgres' ? ENGINE_DATABASES.map(({ name }) => name) : [],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function chosenEngine({ engine, historyShards }: StageOptions): Pick<StackOptions, 'engine'> {
  switch (engine) {
    case 'dev':
      return {};
    case 'postgres':
      return {
        engine: ({ url }, place) => startPostgresEngine({ ...place, adminUrl: url, historyShards }),
      };
  }
}
