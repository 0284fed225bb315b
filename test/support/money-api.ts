import { randomBytes } from 'node:crypto';
import { createListener } from '../../api/listener';
import { loadConfig } from '../../config';
import { ROLES, type Role } from '../../domain/permissions';
import type { Database } from '../../prisma/client';
import { createEncryption, type Encryption } from '../../prisma/encryption';
import { withTenant } from '../../prisma/tenant';
import { hashToken, SESSION_PREFIX } from '../../prisma/tokens';
import { createLogger } from '../../telemetry';
import { createTestDatabase, type TestDatabase } from './database';
import { createCompany, createUser } from './factories';
import { listen } from './listen';

export interface Answer {
  status: number;
  headers: Headers;
  /** The parsed JSON, or the text of anything else. */
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
}

/** A company with one logged-in user per role. */
export interface Tenant {
  companyId: string;
  /** As a DIRECTOR unless another role is named. */
  call(method: string, path: string, options?: CallOptions, role?: Role): Promise<Answer>;
}

export interface MoneyApi {
  url: string;
  db: Database;
  database: TestDatabase;
  encryption: Encryption;
  nudges(): number;
  tenant(): Promise<Tenant>;
  stop(): Promise<void>;
}

/** The whole API on a database and a port of its own. */
export async function startMoneyApi(): Promise<MoneyApi> {
  const database = await createTestDatabase();
  const { db } = database;
  const key = randomBytes(32);
  const encryption = createEncryption([key]);
  let nudges = 0;
  const listener = createListener({
    config: loadConfig({
      DATABASE_URL: database.appUrl,
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      ENCRYPTION_KEY: key.toString('base64'),
      PUBLIC_URL: 'https://api.example.com',
    }),
    db,
    encryption,
    engine: {
      client: () => Promise.reject(new Error('no engine here')),
      ready: () => Promise.resolve(false),
      nudge: () => void nudges++,
    },
    logger: createLogger('silent', 'test'),
  });
  const { url, close } = await listen(listener);
  return {
    url,
    db,
    database,
    encryption,
    nudges: () => nudges,
    tenant: () => createTenant(db, url),
    async stop() {
      await close();
      await database.drop();
    },
  };
}

async function createTenant(db: Database, url: string): Promise<Tenant> {
  const companyId = await createCompany(db);
  const tokens = new Map<Role, string>();
  for (const role of ROLES) {
    const userId = await createUser(db, companyId, { role });
    const token = `${SESSION_PREFIX}${randomBytes(32).toString('base64url')}`;
    const tokenHash = new Uint8Array(hashToken(token));
    const expiresAt = new Date(Date.now() + 3_600_000);
    await withTenant(db, companyId, (tx) =>
      tx.session.create({ data: { companyId, userId, tokenHash, expiresAt } }),
    );
    tokens.set(role, token);
  }
  return {
    companyId,
    async call(method, path, { body, headers } = {}, role = 'DIRECTOR') {
      const raw = typeof body === 'string' || body instanceof Uint8Array;
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${tokens.get(role)}`,
          ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      });
      // Not `text()`, which drops a byte order mark.
      const text = Buffer.from(await response.arrayBuffer()).toString('utf8');
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? JSON.parse(text) : text,
      };
    },
  };
}
