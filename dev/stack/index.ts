import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startEngine, type Engine, type SearchAttributeType } from './engine';
import { findEngineBinary } from './engine-binary';
import { lockFolder, removeLeftovers, temporaryFolder } from './folders';
import { thisMachine } from './machine';
import { startPostgres, type Postgres } from './postgres';
import { watchdog } from './watchdog';

export { checkoutFolder, lockCheckout } from './folders';

export interface StackOptions {
  /** A folder that keeps the data (see `checkoutFolder`), or 'temporary': one of its own that goes with the stack. */
  dir: string;
  /** Leaves a temporary folder behind. */
  keep?: boolean;
  /** Starts the engine's web interface. */
  ui?: boolean;
  /** false: faster; data survives a crash of the programs, not of the machine. By default only a kept folder is durable. */
  durable?: boolean;
  /** Free ones when left out; to come back on the same ones. */
  ports?: { postgres?: number; engine?: number; ui?: number };
  searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  onProgress?: (line: string) => void;
}

export interface Stack {
  dir: string;
  postgres: Postgres;
  engine: Engine;
  /** PostgreSQL as superuser, database `postgres`. */
  adminUrl: string;
  temporalAddress: string;
  uiUrl: string | null;
  /** Ends both servers, and removes a temporary folder. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL and the engine side by side on 127.0.0.1. Nothing stays running when this process ends,
 * whatever ends it, and a temporary folder goes with it.
 * @throws CONFLICT when a stack runs in this folder already; else see `findEngineBinary`, `startPostgres`
 * and `startEngine`.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  await removeLeftovers();
  const temporary = options.dir === 'temporary';
  const discard = temporary && options.keep !== true;
  const dir = temporary ? await temporaryFolder(!discard) : resolve(options.dir);
  const lock = await lockFolder(dir);
  if (discard) watchdog().removeLater(dir);

  const close = async (servers: readonly (Postgres | Engine)[]): Promise<void> => {
    // A killed PostgreSQL would leave its shared memory behind; a killed engine leaves nothing.
    const end = (server: Postgres | Engine): Promise<void> =>
      discard && 'address' in server ? server.kill() : server.stop();
    await Promise.all(servers.map(end));
    await lock.release();
    if (!discard) return;
    await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    watchdog().keep(dir);
  };
  const [postgres, engine] = await Promise.allSettled([
    postgresOf(options, dir, !discard),
    engineOf(options, dir, temporary),
  ]);
  if (postgres.status === 'fulfilled' && engine.status === 'fulfilled') {
    return {
      dir,
      postgres: postgres.value,
      engine: engine.value,
      adminUrl: postgres.value.url,
      temporalAddress: engine.value.address,
      uiUrl: engine.value.uiUrl,
      stop: () => close([postgres.value, engine.value]),
    };
  }
  await close([postgres, engine].flatMap((part) => ('value' in part ? [part.value] : [])));
  throw 'reason' in postgres ? postgres.reason : (engine as PromiseRejectedResult).reason;
}

async function postgresOf(options: StackOptions, dir: string, durable: boolean): Promise<Postgres> {
  const began = Date.now();
  const port = options.ports?.postgres;
  const postgres = await startPostgres({
    dataDir: join(dir, 'postgres'),
    logFile: join(dir, 'postgres.log'),
    durable: options.durable ?? durable,
    ...(port === undefined ? {} : { port }),
  });
  options.onProgress?.(
    `PostgreSQL ${postgres.version} listens on 127.0.0.1:${postgres.port} (${since(began)}).`,
  );
  return postgres;
}

async function engineOf(options: StackOptions, dir: string, inMemory: boolean): Promise<Engine> {
  const binary = await findEngineBinary(thisMachine(), options.onProgress);
  const began = Date.now();
  const { ports, searchAttributes } = options;
  const engine = await startEngine({
    binary: binary.path,
    logFile: join(dir, 'engine.log'),
    uiPort: options.ui === true ? (ports?.ui ?? 0) : false,
    ...(inMemory ? {} : { dbFile: join(dir, 'engine.db') }),
    ...(ports?.engine === undefined ? {} : { port: ports.engine }),
    ...(searchAttributes === undefined ? {} : { searchAttributes }),
  });
  options.onProgress?.(`Temporal listens on ${engine.address} (${since(began)}).`);
  return engine;
}

const since = (began: number): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
