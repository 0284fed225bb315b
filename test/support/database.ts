import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { openDatabase, type Database } from '../../prisma/client';

export interface TestDatabase {
  /** As the application: role regente_app. */
  db: Database;
  appUrl: string;
  /** The tables' owner, bound by row-level security as well. */
  ownerUrl: string;
  /** The superuser, whom no policy binds. */
  adminUrl: string;
  /** Closes `db` and removes the database. */
  drop(): Promise<void>;
}

/** A migrated database of its own for a test file, cloned in a fraction of a second. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const serverUrl = fromSetup('TEST_ADMIN_URL');
  const ownerTemplate = new URL(fromSetup('TEST_TEMPLATE_OWNER_URL'));
  await query(
    serverUrl,
    `CREATE DATABASE ${name} TEMPLATE ${ownerTemplate.pathname.slice(1)} OWNER ${ownerTemplate.username}`,
  );
  const appUrl = inDatabase(fromSetup('TEST_TEMPLATE_APP_URL'), name);
  const db = openDatabase({ url: appUrl });
  return {
    db,
    appUrl,
    ownerUrl: inDatabase(ownerTemplate.href, name),
    adminUrl: inDatabase(serverUrl, name),
    async drop() {
      await db.close();
      await query(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One statement on a connection of its own; answers its rows. */
export async function query<Row extends object = Record<string, unknown>>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withClient(url, async (client) => (await client.query<Row>(sql, values)).rows);
}

/** The same connection to another database of the server. */
export function inDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** What test/support/global-setup.ts left in the environment. */
export function fromSetup(name: string): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is missing; test/support/global-setup.ts sets it.`);
  return value;
}
