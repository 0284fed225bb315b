// `npm run admin`: makes the first companies, people and keys, and keeps the months of the ledger. Each secret is
// printed once and kept nowhere readable.
import {
  loadAdminConfig,
  loadMigrateConfig,
  orExit,
  type AdminConfig,
  type MigrateConfig,
} from '../config';
import { RegenteError } from '../domain/errors';
import { openDatabase } from '../prisma/client';
import { parseAdminCommand, parseLedgerCommand, UsageError, USAGE } from './admin-commands';
import { findRunningDev, type RunningDev } from './running';
import { runLedgerCommand } from './ledger/commands';

/** sysexits.h */
const EX_USAGE = 64;

async function main(args: string[]): Promise<void> {
  if (args.length === 0 || args.includes('--help')) {
    console.log(USAGE);
    process.exitCode = args.length === 0 ? EX_USAGE : 0;
    return;
  }
  try {
    await run(args);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    if (!isUsage && !(error instanceof RegenteError)) throw error;
    console.error(isUsage ? `${error.message}\n\n${USAGE}` : error.message);
    process.exitCode = isUsage ? EX_USAGE : 1;
  }
}

async function run(args: string[]): Promise<void> {
  const ledger = parseLedgerCommand(args);
  if (ledger !== undefined) {
    const { MIGRATE_DATABASE_URL: ownerUrl } = orExit(await ownerEnvironment());
    await runLedgerCommand(ownerUrl, ledger, (line) => console.log(line));
    return;
  }
  const command = parseAdminCommand(args);
  const config = orExit(await environment());
  const db = openDatabase({ url: config.DATABASE_URL, maxConnections: 2 });
  try {
    for (const line of await command(db, config.PUBLIC_URL)) console.log(line);
  } finally {
    await db.close();
  }
}

/** Where no database is named, the one that `npm run dev` runs in this checkout. */
async function environment(): Promise<() => AdminConfig> {
  const { env } = process;
  const dev = await devUnless('DATABASE_URL', env['DATABASE_URL']);
  if (dev === null) return () => loadAdminConfig(env);
  return () =>
    loadAdminConfig({ PUBLIC_URL: dev.publicUrl, ...env, DATABASE_URL: dev.databaseUrl });
}

/** As `environment`, for the owner of the tables. Whoever names a database of their own is asked for its owner. */
async function ownerEnvironment(): Promise<() => MigrateConfig> {
  const { env } = process;
  const named = env['MIGRATE_DATABASE_URL'] || env['DATABASE_URL'];
  const dev = await devUnless('MIGRATE_DATABASE_URL', named);
  if (dev === null) return () => loadMigrateConfig(env);
  return () => loadMigrateConfig({ MIGRATE_DATABASE_URL: dev.ownerUrl });
}

/** The stack of this checkout, said aloud; null where the environment names a database, or no stack runs. */
async function devUnless(variable: string, named: string | undefined): Promise<RunningDev | null> {
  if (named !== undefined && named !== '') return null;
  const dev = await findRunningDev(process.cwd());
  if (dev === null) {
    console.error(
      `Set ${variable} to the database of an installation, or start npm run dev in this checkout first: then its database is used.`,
    );
    return null;
  }
  const { host, pathname } = new URL(dev.databaseUrl);
  console.error(`Uses the database of the running npm run dev: ${host}${pathname}`);
  return dev;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
