import { z } from 'zod';

const bytesKey = z
  .string()
  .transform((value) => value.split(',').map((part) => Buffer.from(part.trim(), 'base64')))
  .refine((keys) => keys.length > 0 && keys.every((key) => key.length === 32), {
    error:
      'must be one or more base64 keys of 32 bytes, separated by commas (openssl rand -base64 32)',
  });

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();

/** Every variable that Regente reads. The README's table is made from the same names. */
const Environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  MIGRATE_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  DATABASE_MAX_CONNECTIONS: positive.default(20),
  TEMPORAL_ADDRESS: z.string().regex(/^[^\s/:]+:\d+$/, 'must be host:port'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  ENCRYPTION_KEY: bytesKey,
  HOST: z.string().default('0.0.0.0'),
  PORT: port.default(3000),
  WORKER_HEALTH_PORT: port.default(3001),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).default('http://localhost:3000'),
  TRUST_PROXY: z.stringbool().default(false),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  SESSION_TTL_HOURS: positive.default(12),
  API_REQUESTS_PER_MINUTE: positive.default(1_200),
  AUDIENCE_MAX_ROWS: positive.default(5_000_000),
  AUDIENCE_MAX_BYTES: positive.default(2 * 1024 ** 3),
  DISPATCH_LANES: positive.max(64).default(4),
  DISPATCH_BATCH_SIZE: positive.max(5_000).default(500),
  DISPATCH_MICRO_BATCH: positive.max(1_000).default(100),
  DISPATCH_LEASE_MS: positive.min(500).max(4_000).default(4_000),
  PROVIDER_TIMEOUT_MS: positive.max(120_000).default(10_000),
  NOTICE_PROVIDER: z.string().optional(),
  NOTICE_PROVIDER_CONFIG: z.string().optional(),
  NOTICE_FROM_NAME: z.string().default('Regente'),
});

export type Config = Readonly<z.infer<typeof Environment>>;

/** One line per wrong variable, all of them at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((line) => `  - ${line}`).join('\n')}`);
  }
}

/** Parses the environment once. An empty variable counts as not set. Throws ConfigError with every problem. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = Environment.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  throw new ConfigError(
    parsed.error.issues.map((issue) => {
      const name = issue.path.map(String).join('.');
      return given[name] === undefined ? `${name} is not set` : `${name} ${issue.message}`;
    }),
  );
}

/** `loadConfig` for entry files: prints the problems and ends the process with 78 (EX_CONFIG). */
export function loadConfigOrExit(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(78);
  }
}
