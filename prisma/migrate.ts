import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { loadMigrateConfig, orExit } from '../config';
import { MONTHS_AHEAD } from './ledger-months';
import { ensureRoles } from './roles';
import { KEEP_ALIVE } from './silence';

const ROOTS = [join(__dirname, 'migrations'), join(__dirname, '../../prisma/migrations')];

/** Prisma's own record of what was applied, in Prisma's own format, so that either tool can follow the other. */
const MIGRATIONS_TABLE = `
CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY NOT NULL,
  checksum varchar(64) NOT NULL,
  finished_at timestamptz,
  migration_name varchar(255) NOT NULL,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(),
  applied_steps_count integer NOT NULL DEFAULT 0
)`;

export interface MigrateOptions {
  /** Connection of the owner of the tables. */
  ownerUrl: string;
  /** Connection of the application; its password becomes the role's where the role is made here. */
  appUrl?: string;
}

/**
 * Applies the migrations that the database does not have, each in one transaction, under a lock that lets two
 * runs follow each other. Answers their names. Throws when an applied file was changed afterwards.
 */
export async function migrate({ ownerUrl, appUrl }: MigrateOptions): Promise<string[]> {
  const client = new Client({ connectionString: ownerUrl, ...KEEP_ALIVE });
  await client.connect();
  try {
    await client.query(`SELECT pg_advisory_lock(hashtext('regente migrate'))`);
    const appPassword =
      appUrl === undefined ? undefined : decodeURIComponent(new URL(appUrl).password);
    await ensureRoles(client, appPassword);
    await client.query(MIGRATIONS_TABLE);
    const applied = await applyMissing(client);
    // A database that was left alone for months gets its partitions before the first worker starts.
    await client.query('SELECT ledger_ensure_partitions($1)', [MONTHS_AHEAD]);
    return applied;
  } finally {
    await client.end();
  }
}

async function applyMissing(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    'SELECT migration_name, checksum FROM _prisma_migrations WHERE rolled_back_at IS NULL AND finished_at IS NOT NULL',
  );
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  const done: string[] = [];
  for (const { name, sql } of readMigrations()) {
    const checksum = createHash('sha256').update(sql).digest('hex');
    const before = applied.get(name);
    if (before === checksum) continue;
    if (before !== undefined) {
      throw new Error(
        `The migration ${name} was applied with another content; add a new one instead of changing it.`,
      );
    }
    await applyOne(client, name, sql, checksum);
    done.push(name);
  }
  return done;
}

async function applyOne(
  client: Client,
  name: string,
  sql: string,
  checksum: string,
): Promise<void> {
  const startedAt = new Date();
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
       VALUES ($1, $2, clock_timestamp(), $3, $4, 1)`,
      [randomUUID(), checksum, name, startedAt],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(
      `The migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function readMigrations(): { name: string; sql: string }[] {
  const root = ROOTS.find((path) => existsSync(path));
  if (root === undefined)
    throw new Error('The folder prisma/migrations is missing from this installation.');
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(root, name, 'migration.sql'), 'utf8') }));
}

const USAGE = `Usage: npm run migrate

  Applies the migrations that the database does not have, and makes the ledger's coming months.
  Reads MIGRATE_DATABASE_URL (the tables' owner) and DATABASE_URL (the application, whose role is made if it may be).`;

/** sysexits.h */
const EX_USAGE = 64;

/** `npm run migrate`: says what it applied. */
async function main(args: readonly string[]): Promise<void> {
  const [wrong] = args;
  if (args.includes('--help')) return console.log(USAGE);
  if (wrong !== undefined) {
    console.error(`npm run migrate does not know "${wrong}": it takes no options.\n\n${USAGE}`);
    process.exitCode = EX_USAGE;
    return;
  }
  const config = orExit(loadMigrateConfig);
  const applied = await migrate({
    ownerUrl: config.MIGRATE_DATABASE_URL,
    appUrl: config.DATABASE_URL,
  });
  for (const name of applied) console.log(`applied ${name}`);
  if (applied.length === 0) console.log('nothing to apply: the database is up to date');
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(`The migrations were not applied: ${describe(error)}`);
    process.exit(1);
  });
}

/** A refused connection may carry its reason in a list of errors, and no message. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message : String(error);
}
