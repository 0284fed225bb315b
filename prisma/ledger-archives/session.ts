import { Client } from 'pg';
import { RegenteError } from '../../domain/errors';
import { fromDatabase } from '../errors';
import { KEEP_ALIVE } from '../silence';

/** A text of a row is the same wherever and whenever it is read, so that checksums can be compared. */
const SETTINGS = {
  search_path: 'public',
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  // A command that was killed lets go of its locks.
  client_connection_check_interval: '1000',
};

/**
 * Runs `work` as the owner of the tables.
 * Throws CONFIGURATION for a connection of somebody else, UNAVAILABLE for what the database cannot do now.
 */
export async function withLedger<T>(
  ownerUrl: string,
  work: (ledger: Client) => Promise<T>,
): Promise<T> {
  const options = Object.entries(SETTINGS).map(([name, value]) => `-c ${name}=${value}`);
  const ledger = new Client({
    connectionString: ownerUrl,
    options: options.join(' '),
    ...KEEP_ALIVE,
  });
  // The query under way, or the next one, fails with the same.
  ledger.on('error', () => undefined);
  try {
    await ledger.connect();
    await requireOwner(ledger);
    return await work(ledger);
  } catch (error) {
    throw fromDatabase(error);
  } finally {
    await ledger.end();
  }
}

/** Waits until no other connection archives or restores; for as long as this one is open. */
export async function takeTurn(ledger: Client): Promise<void> {
  await ledger.query(`SELECT pg_advisory_lock(hashtext('regente ledger archive'))`);
}

async function requireOwner(ledger: Client): Promise<void> {
  const { rows } = await ledger.query<{ owns: boolean }>(
    `SELECT pg_has_role(relowner, 'USAGE') AND pg_has_role('regente_definer', 'SET') AS owns
     FROM pg_class WHERE oid = to_regclass('public.communications')`,
  );
  if (rows[0]?.owns === true) return;
  throw new RegenteError(
    'CONFIGURATION',
    'MIGRATE_DATABASE_URL must log in as the owner of the tables, on a database that `npm run migrate` has set up.',
  );
}

/** Runs `work` as the role that sees the rows of every company; partitions belong to the owner itself. */
export async function acrossCompanies<T>(ledger: Client, work: () => Promise<T>): Promise<T> {
  await ledger.query('SET ROLE regente_definer');
  const result = await work();
  // After a failure in a transaction no statement is taken any more, and nobody goes on with this connection.
  await ledger.query('RESET ROLE');
  return result;
}

/** All of `work` or nothing of it. */
export async function inTransaction<T>(ledger: Client, work: () => Promise<T>): Promise<T> {
  await ledger.query('BEGIN');
  const result = await work();
  await ledger.query('COMMIT');
  return result;
}
