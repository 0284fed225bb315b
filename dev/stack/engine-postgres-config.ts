export const ENGINE_SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;

/** Of each service: one for calls, one by which the services find each other. */
export type EnginePorts = Readonly<
  Record<(typeof ENGINE_SERVICES)[number], { grpc: number; membership: number }>
>;

/** The engine's two databases, and how its tool calls their tables; deploy/postgres/init.sql makes the same. */
export const ENGINE_DATABASES = [
  { name: 'temporal', schema: 'postgresql/v12/temporal' },
  { name: 'temporal_visibility', schema: 'postgresql/v12/visibility' },
] as const;

export interface EngineConfigOptions {
  ports: EnginePorts;
  postgres: { port: number; user: string; password: string };
  historyShards: number;
  dynamicConfigFile: string;
}

/** The server's configuration file. It is JSON, which is YAML as well: a password needs no quoting of its own. */
export function engineConfig(options: EngineConfigOptions): string {
  const { ports, historyShards, dynamicConfigFile } = options;
  const [executions, visibility] = ENGINE_DATABASES;
  return JSON.stringify(
    {
      log: { stdout: true, level: 'error' },
      persistence: {
        defaultStore: 'executions',
        visibilityStore: 'visibility',
        numHistoryShards: historyShards,
        // As many connections as the server's container takes by itself.
        datastores: {
          executions: { sql: database(options, executions.name, 20) },
          visibility: { sql: database(options, visibility.name, 10) },
        },
      },
      global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
      services: Object.fromEntries(
        ENGINE_SERVICES.map((service) => {
          const { grpc, membership } = ports[service];
          const rpc = { grpcPort: grpc, membershipPort: membership, bindOnLocalHost: true };
          return [service, { rpc }];
        }),
      ),
      clusterMetadata: {
        enableGlobalNamespace: false,
        failoverVersionIncrement: 10,
        masterClusterName: 'active',
        currentClusterName: 'active',
        clusterInformation: {
          active: {
            enabled: true,
            initialFailoverVersion: 1,
            rpcName: 'frontend',
            rpcAddress: `127.0.0.1:${ports.frontend.grpc}`,
          },
        },
      },
      dynamicConfigClient: { filepath: dynamicConfigFile, pollInterval: '60s' },
    },
    null,
    2,
  );
}

const database = (
  { postgres }: EngineConfigOptions,
  databaseName: string,
  connections: number,
): object => ({
  pluginName: 'postgres12',
  databaseName,
  connectAddr: `127.0.0.1:${postgres.port}`,
  connectProtocol: 'tcp',
  user: postgres.user,
  password: postgres.password,
  maxConns: connections,
  maxIdleConns: connections,
  maxConnLifetime: '1h',
});
