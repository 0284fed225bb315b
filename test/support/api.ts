import { randomBytes, randomUUID } from 'node:crypto';
import type { ApiDeps } from '../../api/context';
import { createListener } from '../../api/listener';
import { hashPassword } from '../../api/passwords';
import { loadConfig, type Config } from '../../config';
import { RegenteError } from '../../domain/errors';
import type { Permission, Role } from '../../domain/permissions';
import { createApiKey } from '../../prisma/api-keys';
import { createCompany, ensurePlatformCompany } from '../../prisma/companies';
import { createEncryption } from '../../prisma/encryption';
import { createSession } from '../../prisma/sessions';
import { withTenant } from '../../prisma/tenant';
import { createUser } from '../../prisma/users';
import { createLogger } from '../../telemetry';
import { createTestDatabase, type TestDatabase } from './database';
import { listen } from './listen';

export interface TestPerson {
  id: string;
  companyId: string;
  name: string;
  email: string;
  /** Everybody's is `PASSWORD`. */
  password: string;
  role: Role;
  sessionId: string;
  token: string;
}

export interface TestTenant {
  companyId: string;
  slug: string;
  agent: TestPerson;
  manager: TestPerson;
  director: TestPerson;
}

export interface RequestOptions {
  /** Whose token to send; none when left out. */
  as?: { token: string };
  /** Sent as JSON; text and bytes are sent as they are. */
  body?: unknown;
  headers?: Record<string, string>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
type AnswerBody = any;

export interface Answer {
  status: number;
  headers: Headers;
  /** The parsed JSON; null for an empty body, the text for anything else. */
  body: AnswerBody;
}

export interface TestApi {
  /** Where the API listens, on the loopback address. */
  url: string;
  deps: ApiDeps;
  database: TestDatabase;
  /** Two companies with a person of each role, logged in. */
  first: TestTenant;
  second: TestTenant;
  /** Staff of the operator; acts in another company with the header X-Company. */
  admin: TestPerson;
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** One more company. */
  tenant(): Promise<TestTenant>;
  /** One more person of a company, logged in. */
  person(companyId: string, role: Role): Promise<TestPerson>;
  /** An API key of this person. */
  key(owner: TestPerson, scopes: readonly Permission[]): Promise<{ id: string; token: string }>;
  /** Stops the server and removes the database. */
  close(): Promise<void>;
}

export const PASSWORD = 'cavalo-bateria-grampo';

/** What the API needs where no engine runs: it truthfully does not answer. */
const NO_ENGINE: ApiDeps['engine'] = {
  client: () => Promise.reject(new RegenteError('UNAVAILABLE', 'There is no engine here.')),
  ready: () => Promise.resolve(false),
  nudge: () => undefined,
};

export interface TestApiOptions {
  /** Variables of the environment, as `config.ts` reads them. */
  env?: Record<string, string>;
  engine?: ApiDeps['engine'];
  /** One that the caller has made and removes; the API gets one of its own otherwise. */
  database?: TestDatabase;
}

/** The whole API on a real port, on a database of its own. */
export async function startTestApi({
  env = {},
  engine = NO_ENGINE,
  database: given,
}: TestApiOptions = {}): Promise<TestApi> {
  const database = given ?? (await createTestDatabase());
  const { db } = database;
  const config = testConfig(database, env);
  const logger = createLogger(config.LOG_LEVEL, 'test');
  const encryption = createEncryption(config.ENCRYPTION_KEY);
  const deps: ApiDeps = { config, db, encryption, engine, logger };
  const passwordHash = await hashPassword(PASSWORD);
  const people = { person: (id: string, role: Role) => createPerson(deps, id, role, passwordHash) };
  const { url, close } = await listen(createListener(deps));
  return {
    url,
    deps,
    database,
    first: await createTenant(deps, people),
    second: await createTenant(deps, people),
    admin: await people.person(await ensurePlatformCompany(db), 'ADMIN'),
    request: (method, path, options) => request(url, method, path, options),
    tenant: () => createTenant(deps, people),
    ...people,
    key: async ({ id, companyId }, scopes) => {
      const input = { companyId, createdBy: id, name: 'Chave de teste', scopes, expiresAt: null };
      const { key, row } = await withTenant(db, companyId, (tx) => createApiKey(tx, input));
      return { id: row.id, token: key };
    },
    async close() {
      await close();
      if (given === undefined) await database.drop();
    },
  };
}

function testConfig(database: TestDatabase, env: Record<string, string>): Config {
  return loadConfig({
    DATABASE_URL: database.appUrl,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'silent',
    API_REQUESTS_PER_MINUTE: '1000000',
    ...env,
  });
}

async function createTenant(
  { db }: ApiDeps,
  { person }: Pick<TestApi, 'person'>,
): Promise<TestTenant> {
  const slug = `empresa-${randomBytes(5).toString('hex')}`;
  const input = { slug, name: 'Empresa de Teste' };
  const companyId = await createCompany(db, input, async (_tx, { id }) => id);
  const [agent, manager, director] = await Promise.all([
    person(companyId, 'AGENT'),
    person(companyId, 'MANAGER'),
    person(companyId, 'DIRECTOR'),
  ]);
  return { companyId, slug, agent, manager, director };
}

async function createPerson(
  { db }: ApiDeps,
  companyId: string,
  role: Role,
  passwordHash: string,
): Promise<TestPerson> {
  const name = { AGENT: 'Ana', MANAGER: 'Bruno', DIRECTOR: 'Carla', ADMIN: 'Davi' }[role];
  const email = `${name.toLowerCase()}.${randomUUID()}@example.com`;
  return withTenant(db, companyId, async (tx) => {
    const { id } = await createUser(tx, companyId, { name, email, role }, passwordHash);
    const owner = { companyId, userId: id, ipAddress: null, userAgent: null };
    const { token, session } = await createSession(tx, { ...owner, ttlMs: 3_600_000 });
    return { id, companyId, name, email, password: PASSWORD, role, sessionId: session.id, token };
  });
}

async function request(
  url: string,
  method: string,
  path: string,
  { as, body, headers = {} }: RequestOptions = {},
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(as === undefined ? {} : { authorization: `Bearer ${as.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: raw ? new Uint8Array(Buffer.from(body)) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? null : isJson ? JSON.parse(text) : text,
  };
}
