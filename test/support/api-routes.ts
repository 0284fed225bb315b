import { randomBytes } from 'node:crypto';
import { createApp } from '../../api/app';
import { createWebhookReceiver } from '../../api/webhooks/receiver';
import { loadConfig } from '../../config';
import { RegenteError } from '../../domain/errors';
import type { Permission } from '../../domain/permissions';
import { openDatabase } from '../../prisma/client';
import { createEncryption } from '../../prisma/encryption';
import { createLogger } from '../../telemetry';

export interface ApiRoute {
  /** In capitals. */
  method: string;
  /** As the document writes it: `/v1/wallets/{id}`. */
  path: string;
  permission: Permission | 'anyone' | 'logged-in' | 'self';
  /** The content types of its body, if it takes one. */
  takes: string[];
  query: QueryParameter[];
}

export interface QueryParameter {
  name: string;
  schema: ParameterSchema;
}

interface ParameterSchema {
  type?: string;
  enum?: string[];
  format?: string;
  pattern?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: ParameterSchema;
  anyOf?: ParameterSchema[];
}

export interface Operation {
  operationId?: string;
  summary?: string;
  'x-permission'?: ApiRoute['permission'];
  responses?: Record<string, unknown>;
  requestBody?: { content: Record<string, unknown> };
  parameters?: (QueryParameter & { in: string })[];
}

/** The OpenAPI document of an app that has neither database nor engine. */
export async function readDocument(): Promise<{
  paths: Record<string, Record<string, Operation>>;
}> {
  const deps = offlineDeps();
  const app = createApp(deps, createWebhookReceiver(deps));
  const response = await app.request('/openapi.json');
  return (await response.json()) as { paths: Record<string, Record<string, Operation>> };
}

/** Every route under /v1 of the OpenAPI document. */
export async function listRoutes(): Promise<ApiRoute[]> {
  const document = await readDocument();
  return Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        permission: operation['x-permission'] ?? missing(`${method} ${path}`),
        takes: Object.keys(operation.requestBody?.content ?? {}),
        query: operation.parameters?.filter((parameter) => parameter.in === 'query') ?? [],
      })),
    );
}

function missing(route: string): never {
  throw new Error(`${route} asks for no permission; make it with defineRoute.`);
}

function offlineDeps(): Parameters<typeof createApp>[0] {
  const key = randomBytes(32);
  const url = 'postgres://nobody@127.0.0.1:1/nothing';
  return {
    config: loadConfig({
      DATABASE_URL: url,
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      ENCRYPTION_KEY: key.toString('base64'),
    }),
    db: openDatabase({ url }),
    encryption: createEncryption([key]),
    engine: {
      client: () => Promise.reject(new RegenteError('UNAVAILABLE', 'There is no engine here.')),
      ready: () => Promise.resolve(false),
      nudge: () => undefined,
    },
    logger: createLogger('silent', 'test'),
  };
}
