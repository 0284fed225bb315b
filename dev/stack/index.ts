import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startEngine, type Engine, type SearchAttributeType } from './engine';
import { findEngineBinary } from './engine-binary';
import { lockFolder, removeLeftovers, temporaryFolder } from './folders';
import { thisMachine } from './machine';
import { unmountIn } from './mounts';
import { startPostgres, type Postgres } from './postgres';
import { watchdog } from './watchdog';

export { checkoutFolder, lockCheckout } from './folders';

export interface StackOptions {
  /** A folder that keeps the data (see `checkoutFolder`), or 'temporary': one of its own that goes with the stack. */
  dir: string;
  /** Starts the engine's web interface. */
  ui?: boolean;
  /**
   * true: all data survives every crash; false: PostgreSQL's survives a crash of the programs, not of the
   * machine, and a temporary stack's engine keeps its state in memory. By default false for a temporary stack.
   */
  durable?: boolean;
  /** Free ones when left out; to come back on the same ones. */
  ports?: { postgres?: number; engine?: number; ui?: number };
  searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  /** Starts another engine than the dev server, once PostgreSQL answers; `ui` and `searchAttributes` are the dev server's. */
  engine?: (postgres: Postgres, place: EnginePlace) => Promise<Engine>;
  onProgress?: (line: string) => void;
}

export interface EnginePlace {
  logFile: string;
  /** A free one when left out. */
  port?: number;
  onProgress?: (line: string) => void;
}

export interface Stack {
  dir: string;
  /** The running ones: `revive` replaces them. */
  readonly postgres: Postgres;
  readonly engine: Engine;
  /** PostgreSQL as superuser, database `postgres`. */
  adminUrl: string;
  temporalAddress: string;
  uiUrl: string | null;
  /** Starts whichever server has ended again, on the same data and the same ports. */
  revive(): Promise<void>;
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
  const dir = temporary ? await temporaryFolder() : resolve(options.dir);
  const lock = await lockFolder(dir);
  if (temporary) watchdog().removeLater(dir);

  const close = async (servers: readonly (Postgres | Engine)[]): Promise<void> => {
    // A killed PostgreSQL would leave its shared memory behind; a killed engine leaves nothing.
    const end = (server: Postgres | Engine): Promise<void> =>
      temporary && 'address' in server ? server.kill() : server.stop();
    await Promise.all(servers.map(end));
    await lock.release();
    if (!temporary) return;
    await unmountIn(dir);
    await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    watchdog().keep(dir);
  };
  const durable = options.durable ?? !temporary;
  const start = { ...options, dir, durable, stateInFile: durable || !temporary };
  const database = startDatabase(start);
  const outcome = await Promise.allSettled([database, startWorkflows(start, database)]);
  const [first, second] = outcome;
  if (first.status === 'rejected' || second.status === 'rejected') {
    await close(outcome.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : [])));
    throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason;
  }
  let postgres = first.value;
  let engine = second.value;
  const ports = { postgres: postgres.port, engine: engine.port, ui: engine.uiPort ?? 0 };
  return {
    dir,
    get postgres() {
      return postgres;
    },
    get engine() {
      return engine;
    },
    adminUrl: postgres.url,
    temporalAddress: engine.address,
    uiUrl: engine.uiUrl,
    revive: async () => {
      if (postgres.hasExited()) postgres = await startDatabase({ ...start, ports });
      if (engine.hasExited()) engine = await startWorkflows({ ...start, ports }, postgres);
    },
    stop: () => close([postgres, engine]),
  };
}

interface Start extends StackOptions {
  durable: boolean;
  stateInFile: boolean;
}

async function startDatabase({ dir, durable, ports, onProgress }: Start): Promise<Postgres> {
  const began = Date.now();
  const postgres = await startPostgres({
    dataDir: join(dir, 'postgres'),
    logFile: join(dir, 'postgres.log'),
    durable,
    ...(ports?.postgres === undefined ? {} : { port: ports.postgres }),
  });
  const { version, port } = postgres;
  onProgress?.(`PostgreSQL ${version} listens on 127.0.0.1:${port} (${since(began)}).`);
  return postgres;
}

async function startWorkflows(
  start: Start,
  database: Postgres | Promise<Postgres>,
): Promise<Engine> {
  const { dir, ports, onProgress } = start;
  const place = {
    logFile: join(dir, 'engine.log'),
    ...(ports?.engine === undefined ? {} : { port: ports.engine }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  if (start.engine === undefined) return startDevServer(start, place);
  const postgres = await database;
  const began = Date.now();
  const engine = await start.engine(postgres, place);
  onProgress?.(`Temporal on PostgreSQL listens on ${engine.address} (${since(began)}).`);
  return engine;
}

async function startDevServer(start: Start, place: EnginePlace): Promise<Engine> {
  const { dir, ports, searchAttributes, onProgress } = start;
  const binary = await findEngineBinary(thisMachine(), onProgress);
  const began = Date.now();
  const engine = await startEngine({
    ...place,
    binary: binary.path,
    uiPort: start.ui === true ? (ports?.ui ?? 0) : false,
    ...(start.stateInFile ? { dbFile: join(dir, 'engine.db') } : {}),
    ...(searchAttributes === undefined ? {} : { searchAttributes }),
  });
  onProgress?.(`Temporal listens on ${engine.address} (${since(began)}).`);
  return engine;
}

const since = (began: number): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
