import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes';
import { becomesReady, namespaceAnswers } from './engine-ready';
import { freePort, requireFreePort } from './ports';
import { endLeftServer, logTail, startServer, type ServerProcess } from './server-process';

/**
 * What time skipping needs from server 1.32.x: the first allows it, the second makes a skipped timer cost
 * a quarter of a second instead of a whole one. The first was named otherwise before 1.32.0 and is again
 * after it, so it belongs to the `SERVER_VERSION` of engine-binary.ts.
 */
export const TIME_SKIPPING_CONFIG = {
  'frontend.WorkflowTimeSkippingEnabled': true,
  'history.timerProcessorMaxTimeShift': '10ms',
} as const;

export type SearchAttributeType =
  | 'Keyword'
  | 'KeywordList'
  | 'Text'
  | 'Int'
  | 'Double'
  | 'Bool'
  | 'Datetime';

export interface EngineOptions {
  /** The dev server's program; see `findEngineBinary`. */
  binary: string;
  /** A free one when left out; always on 127.0.0.1. */
  port?: number;
  /** false or left out: no web interface. 0: on a free port. */
  uiPort?: number | false;
  /** Keeps all state, also over kill -9; without it the state lives in memory. */
  dbFile?: string;
  logFile: string;
  /** A further namespace; `default` is always there. */
  namespace?: string;
  /** Beside those that the workflows set. */
  searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  /** Further dynamic configuration of the server: limits that a test wants to reach. */
  dynamicConfig?: Readonly<Record<string, number | string | boolean>>;
}

export interface Engine extends ServerProcess {
  port: number;
  /** host:port */
  address: string;
  uiPort: number | null;
  uiUrl: string | null;
}

const STOP_SIGNAL = 'SIGTERM';

/**
 * Starts the Temporal dev server and waits until its namespaces answer.
 * @throws CONFIGURATION (port in use, not runnable), CONFLICT (already running), UNAVAILABLE (it ended or
 * stayed silent: the message has the end of its log).
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  await endLeftServer(options.logFile, STOP_SIGNAL);
  if (options.port !== undefined) await requireFreePort(options.port, 'The engine');
  const wantsUi = options.uiPort !== undefined && options.uiPort !== false;
  if (wantsUi && options.uiPort !== 0) {
    await requireFreePort(options.uiPort as number, "The engine's web interface");
  }
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const uiPort = wantsUi ? options.uiPort || (await freePort()) : null;
    const address = `127.0.0.1:${port}`;
    const server = await startServer({
      command: options.binary,
      args: startArguments(options, port, uiPort),
      cwd: dirname(options.logFile),
      env: childEnvironment(options.logFile),
      user: null,
      logFile: options.logFile,
      stopSignal: STOP_SIGNAL,
    });
    const namespace = options.namespace ?? 'default';
    if (await becomesReady(server, port, (connection) => namespaceAnswers(connection, namespace))) {
      const uiUrl = uiPort === null ? null : `http://127.0.0.1:${uiPort}`;
      return { ...server, port, address, uiPort, uiUrl };
    }
    const tail = logTail(options.logFile);
    // Beside the chosen ports it takes free ones of its own, which another starting server may take first. It may say so
    // before a stack of calls that fills the end of its log.
    if (attempt < 4 && /address already in use/.test(readFileSync(options.logFile, 'utf8')))
      continue;
    throw new RegenteError(
      'UNAVAILABLE',
      `The engine did not start (${await server.exited}). Its log ${options.logFile} ends with:\n${tail}`,
    );
  }
}

function startArguments(options: EngineOptions, port: number, uiPort: number | null): string[] {
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)];
  args.push('--log-level', 'error', '--log-format', 'json');
  if (uiPort === null) args.push('--headless');
  else args.push('--ui-ip', '127.0.0.1', '--ui-port', String(uiPort), '--ui-disable-news-fetch');
  if (options.dbFile !== undefined) args.push('--db-filename', options.dbFile);
  if (options.namespace !== undefined) args.push('--namespace', options.namespace);
  const dynamicConfig = { ...TIME_SKIPPING_CONFIG, ...options.dynamicConfig };
  for (const [key, value] of Object.entries(dynamicConfig)) {
    args.push('--dynamic-config-value', `${key}=${JSON.stringify(value)}`);
  }
  const own = Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, 'Keyword']));
  for (const [name, type] of Object.entries({ ...own, ...options.searchAttributes })) {
    args.push('--search-attribute', `${name}=${type}`);
  }
  return args;
}

/** Nothing of the caller's environment: a TEMPORAL_… variable or configuration file there is meant for a client. */
function childEnvironment(logFile: string): Record<string, string> {
  return { PATH: '/usr/bin:/bin', HOME: dirname(logFile) };
}
