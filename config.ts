import { z } from 'zod';
import { RegenteError } from './domain/errors';
import { vendorFor } from './providers/messaging/index';

const bytesKey = z
  .string()
  .transform((value) => value.split(',').map((part) => Buffer.from(part.trim(), 'base64')))
  .refine((keys) => keys.every((key) => key.length === 32), {
    error:
      'must be one or more base64 keys of 32 bytes, separated by commas (openssl rand -base64 32)',
  });

const postgres = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'must be a PostgreSQL URL (postgresql://user:password@host:5432/database)',
});

const whole = (least: number, most = Number.MAX_SAFE_INTEGER) => {
  const error =
    most === Number.MAX_SAFE_INTEGER
      ? `must be a whole number of at least ${least}`
      : `must be a whole number from ${least} to ${most}`;
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};
const port = whole(0, 65_535);
const positive = whole(1);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Every variable that Regente reads, with its meaning: docs/configuration.md is written from it. */
export const Environment = z.object({
  DATABASE_URL: postgres.describe(
    "PostgreSQL 18, as the application's role: it owns nothing and row-level security binds it.",
  ),
  MIGRATE_DATABASE_URL: postgres
    .optional()
    .describe(
      "The same database as the tables' owner. Read by `npm run migrate` and the admin commands of the ledger.",
    ),
  DATABASE_MAX_CONNECTIONS: positive
    .default(20)
    .describe('The most connections of each of the three pools of a process.'),
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^[^\s/:]+:\d+$/, 'must be host:port')
    .describe("The engine's frontend, host:port."),
  TEMPORAL_NAMESPACE: z
    .string()
    .default('default')
    .describe("The engine's namespace; it must exist."),
  ENCRYPTION_KEY: bytesKey.describe(
    'Encrypts stored credentials. 32 bytes in base64; after a rotation the new key, a comma and the old ones.',
  ),
  HOST: z
    .string()
    .default('0.0.0.0')
    .describe('The address that the API and the worker listen on.'),
  PORT: port.default(3000).describe('The port of the API; 0 takes a free one.'),
  WORKER_HEALTH_PORT: port
    .default(3001)
    .describe('Where the worker answers `/healthz`, `/readyz` and `/metrics`; 0 takes a free one.'),
  METRICS_PORT: port
    .default(3002)
    .describe('Where the API answers `/metrics`, apart from what is public; 0 takes a free one.'),
  API_DRAIN_MS: whole(0, 60_000)
    .default(2_000)
    .describe(
      'How long the API still takes requests after SIGTERM, its `/readyz` failing, before it ends.',
    ),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .default('http://localhost:3000')
    .describe('How vendors and people reach the API from outside.'),
  TRUST_PROXY: z
    .stringbool({ error: 'must be true or false' })
    .default(false)
    .describe("Whether a proxy's `X-Forwarded-For` tells the caller's address."),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be one of fatal, error, warn, info, debug, trace, silent',
    })
    .default('info')
    .describe('The least severity that is logged.'),
  SESSION_TTL_HOURS: positive.default(12).describe('How long a login lasts.'),
  API_REQUESTS_PER_MINUTE: positive
    .default(1_200)
    .describe('Requests a minute of one caller before a process of the API answers 429.'),
  AUDIENCE_MAX_ROWS: positive
    .default(5_000_000)
    .describe('The most rows of an audience file or a blocklist.'),
  AUDIENCE_MAX_BYTES: positive
    .default(2 * 1024 ** 3)
    .describe('The most bytes of an audience file or a blocklist, unpacked.'),
  DISPATCH_LANES: whole(1, 64)
    .default(4)
    .describe('The most streams of a campaign side by side: four for each worker process.'),
  DISPATCH_BATCH_SIZE: whole(1, 5_000)
    .default(1_000)
    .describe('People of a batch, for whom money is reserved at once.'),
  DISPATCH_MICRO_BATCH: whole(1, 1_000)
    .default(200)
    .describe('People who are marked together, right before their calls.'),
  DISPATCH_LEASE_MS: whole(500, 4_000)
    .default(4_000)
    .describe('How long a mark allows its call to begin.'),
  PROVIDER_TIMEOUT_MS: whole(1, 120_000)
    .default(10_000)
    .describe(
      'How long a call to a provider may take. The same for workers and API, which must know when the last call of a message in `unknown` is over.',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .optional()
    .describe('Where traces are sent (OTLP over HTTP, at `/v1/traces`); not set: there are none.'),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .optional()
    .describe('Headers that a collector asks for: `name=value`, separated by commas.'),
  NOTICE_PROVIDER: z
    .string()
    .optional()
    .describe(
      'The provider that carries invitations and password resets; without it they wait until there is one or their links expire, and invitations are answered with `not_configured`.',
    ),
  NOTICE_PROVIDER_CONFIG: z
    .string()
    .refine(isJson, { error: 'must be JSON' })
    .optional()
    .describe("That provider's config, as JSON."),
  NOTICE_FROM_NAME: z.string().default('Regente').describe('The sender of those messages.'),
});

export type Config = Readonly<z.infer<typeof Environment>>;

const MigrateEnvironment = Environment.pick({ DATABASE_URL: true, MIGRATE_DATABASE_URL: true })
  .partial({ DATABASE_URL: true })
  .required({ MIGRATE_DATABASE_URL: true });

export type MigrateConfig = Readonly<z.infer<typeof MigrateEnvironment>>;

const AdminEnvironment = Environment.pick({ DATABASE_URL: true, PUBLIC_URL: true });

export type AdminConfig = Readonly<z.infer<typeof AdminEnvironment>>;

/** One line per wrong variable, all of them at once; never a value, for it may be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((line) => `  - ${line}`).join('\n')}`);
  }
}

/** Parses the environment once. An empty variable counts as not set. Throws ConfigError with every problem. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return parse(Environment, env, noticeProblems);
}

/** `loadConfig` of what `migrate` needs: the owner's connection, and the application's where its role is to be made. */
export function loadMigrateConfig(env: NodeJS.ProcessEnv = process.env): MigrateConfig {
  return parse(MigrateEnvironment, env);
}

/** `loadConfig` of what the operator's command line needs. */
export function loadAdminConfig(env: NodeJS.ProcessEnv = process.env): AdminConfig {
  return parse(AdminEnvironment, env);
}

/** For entry files: prints the problems and ends the process with 78 (EX_CONFIG). */
export function orExit<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(78);
  }
}

type Given = Readonly<Record<string, string | undefined>>;

/** `problemsTogether` says what no variable shows by itself; both kinds of problems are told at once. */
function parse<Schema extends z.ZodType<object>>(
  schema: Schema,
  env: NodeJS.ProcessEnv,
  problemsTogether: (given: Given) => string[] = () => [],
): Readonly<z.infer<Schema>> {
  const given: Given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  const together = problemsTogether(given);
  if (parsed.success && together.length === 0) return Object.freeze(parsed.data);
  const alone = (parsed.error?.issues ?? []).map((issue) => {
    const name = issue.path.map(String).join('.');
    return given[name] === undefined ? `${name} is not set` : `${name} ${issue.message}`;
  });
  const problems = [...alone, ...together];
  throw new ConfigError([...new Set(problems)]);
}

/** Both or neither, of a vendor that exists, as that vendor reads it: else nobody's invitation would ever go out. */
function noticeProblems({ NOTICE_PROVIDER: name, NOTICE_PROVIDER_CONFIG: text }: Given): string[] {
  if (name === undefined)
    return text === undefined ? [] : ['NOTICE_PROVIDER is not set, but NOTICE_PROVIDER_CONFIG is'];
  const refused = fieldsRefused('NOTICE_PROVIDER', () => vendorFor(name));
  if (text === undefined)
    return [...refused, 'NOTICE_PROVIDER_CONFIG is not set, but NOTICE_PROVIDER is'];
  if (refused.length > 0 || !isJson(text)) return refused;
  return fieldsRefused('NOTICE_PROVIDER_CONFIG', () =>
    vendorFor(name).parseConfig(JSON.parse(text)),
  );
}

/** The problems of a variable that `read` refuses; without the values, which are secrets. */
function fieldsRefused(variable: string, read: () => unknown): string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (!(error instanceof RegenteError) || error.code !== 'VALIDATION') throw error;
    return error.fields.map(({ pointer, detail }) => {
      const inside = variable === 'NOTICE_PROVIDER_CONFIG' && pointer !== '';
      return inside ? `${variable} at ${pointer} ${detail}` : `${variable} ${detail}`;
    });
  }
}
