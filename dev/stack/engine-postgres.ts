import { randomBytes, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import { ensureSearchAttributes } from '../../workers/search-attributes';
import type { Engine } from './engine';
import { ENGINE_DATABASES, engineConfig, type EnginePorts } from './engine-postgres-config';
import { becomesReady, namespaceAnswers } from './engine-ready';
import { findEngineServer } from './engine-server';
import type { EnginePlace } from './index';
import { thisMachine, type Machine } from './machine';
import { holdPort, requireFreePort, type HeldPort } from './ports';
import { endLeftServer, logTail, startServer } from './server-process';

export interface PostgresEngineOptions extends EnginePlace {
  /** The superuser's, of the server on which the engine's databases are made where they are missing. */
  adminUrl: string;
  /** Cannot change on databases that are there. */
  historyShards: number;
}

const ROLE = 'temporal';
const NAMESPACE = 'default';
const RETENTION = '1 day';
const STOP_SIGNAL = 'SIGTERM';
const LOWEST_PORT = 10_000;
const HIGHEST_SMALLINT = 32_767;
const TOOL_WITHIN_MS = 120_000;

/**
 * Starts Temporal as it runs in production, all services in one process, on two databases of this PostgreSQL, and
 * waits until workflows can be started and found. May be called again on the same databases.
 * @throws CONFIGURATION (see `findEngineServer`; port in use), UNAVAILABLE (with the end of its log).
 */
export async function startPostgresEngine(options: PostgresEngineOptions): Promise<Engine> {
  const { adminUrl, logFile, historyShards, onProgress } = options;
  const machine = thisMachine();
  const programs = await findEngineServer(machine, onProgress);
  await endLeftServer(logFile, STOP_SIGNAL);
  if (options.port !== undefined) await requireFreePort(options.port, 'The engine');
  const folder = dirname(logFile);
  const postgres = {
    port: Number(new URL(adminUrl).port),
    user: ROLE,
    password: randomBytes(12).toString('hex'),
  };
  await makeDatabases(adminUrl, postgres.password);
  for (const { name, schema } of ENGINE_DATABASES)
    await makeTables(machine, programs.sqlTool, { ...postgres, database: name, schema });

  const configFile = join(folder, 'engine-config.yaml');
  const dynamicConfigFile = join(folder, 'engine-dynamic-config.yaml');
  await writeFile(dynamicConfigFile, '{}\n');
  for (let attempt = 1; ; attempt += 1) {
    const ports = await choosePorts(options.port);
    const config = engineConfig({ ports, postgres, historyShards, dynamicConfigFile });
    await writeFile(configFile, config, { mode: 0o600 });
    const server = await startServer({
      command: programs.server,
      args: ['--config-file', configFile, '--allow-no-auth', 'start'],
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', HOME: folder },
      user: null,
      logFile,
      stopSignal: STOP_SIGNAL,
    });
    const port = ports.frontend.grpc;
    if (await becomesReady(server, port, prepareNamespace))
      return { ...server, port, address: `127.0.0.1:${port}`, uiPort: null, uiUrl: null };
    // Its lines end with the whole call stack.
    const tail = logTail(logFile, 4).replace(/^(.{300}).*$/gm, '$1…');
    if (attempt < 4 && /address already in use/.test(tail)) continue;
    throw new RegenteError(
      'UNAVAILABLE',
      `The engine did not start (${await server.exited}). Its log ${logFile} ends with:\n${tail}`,
    );
  }
}

/** As an administrator would: a role of its own that owns nothing else. */
async function makeDatabases(adminUrl: string, password: string): Promise<void> {
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const exists = async (query: string, value: string): Promise<boolean> =>
      (await admin.query(query, [value])).rowCount !== 0;
    if (!(await exists('SELECT FROM pg_roles WHERE rolname = $1', ROLE)))
      await admin.query(`CREATE ROLE ${ROLE}`);
    await admin.query(`ALTER ROLE ${ROLE} LOGIN PASSWORD ${admin.escapeLiteral(password)}`);
    for (const { name } of ENGINE_DATABASES)
      if (!(await exists('SELECT FROM pg_database WHERE datname = $1', name)))
        await admin.query(`CREATE DATABASE ${name} OWNER ${ROLE}`);
  } finally {
    await admin.end();
  }
}

interface Tables {
  port: number;
  user: string;
  password: string;
  database: string;
  schema: string;
}

async function makeTables(machine: Machine, sqlTool: string, tables: Tables): Promise<void> {
  const env = {
    SQL_PLUGIN: 'postgres12',
    SQL_HOST: '127.0.0.1',
    SQL_PORT: String(tables.port),
    SQL_USER: tables.user,
    SQL_PASSWORD: tables.password,
    SQL_DATABASE: tables.database,
  };
  for (const args of [
    ['setup-schema', '-v', '0.0'],
    ['update-schema', '--schema-name', tables.schema],
  ]) {
    const outcome = await machine.run(sqlTool, args, { env, withinMs: TOOL_WITHIN_MS });
    if (outcome.status === 0) continue;
    throw new RegenteError(
      'UNAVAILABLE',
      `The tables of ${tables.database} could not be made. ${sqlTool} ${args.join(' ')} said:\n${outcome.tail.join('\n')}`,
    );
  }
}

/** All held at once, so that no two are the same; another program may still take one before the server does. */
async function choosePorts(frontend: number | undefined): Promise<EnginePorts> {
  const held: HeldPort[] = [];
  const take = async (wanted = 0): Promise<number> => {
    const port = await holdPort(wanted);
    held.push(port);
    return port.port;
  };
  /** The engine keeps this one in a smallint. */
  const low = async (): Promise<number> => {
    const wanted = randomInt(LOWEST_PORT, HIGHEST_SMALLINT + 1);
    const port = await take(wanted);
    return port === wanted ? port : low();
  };
  const pair = async (wanted?: number): Promise<{ grpc: number; membership: number }> => ({
    grpc: await take(wanted),
    membership: await low(),
  });
  const ports = {
    frontend: await pair(frontend),
    history: await pair(),
    matching: await pair(),
    worker: await pair(),
  };
  await Promise.all(held.map((port) => port.release()));
  return ports;
}

/** What deploy/temporal/namespace.sh does; throws until workflows can be started and found by what they set. */
async function prepareNamespace(connection: Connection): Promise<void> {
  const { workflowService } = connection;
  const { namespaces } = await workflowService.listNamespaces({});
  if (!namespaces.some(({ namespaceInfo }) => namespaceInfo?.name === NAMESPACE))
    await workflowService.registerNamespace({
      namespace: NAMESPACE,
      workflowExecutionRetentionPeriod: msToTs(RETENTION),
    });
  await namespaceAnswers(connection, NAMESPACE);
  await ensureSearchAttributes(connection, NAMESPACE);
  await workflowService.listWorkflowExecutions({
    namespace: NAMESPACE,
    query: "RegenteState = 'PROCESSING'",
  });
}
