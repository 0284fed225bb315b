import type { Client } from 'pg';
import { RegenteError } from '../domain/errors';
import { sqlState } from './errors';

/** Role that the functions across tenants belong to; it can bypass row-level security and cannot log in. */
const DEFINER_ROLE = 'regente_definer';
/** Role that holds the application's grants; the application logs in as it, or as a member of it. */
const APP_ROLE = 'regente_app';

/** What a run on another database of the server causes that makes the same roles in the same moment. */
const COLLISIONS: readonly unknown[] = [
  '42710', // the role is there
  '23505', // the role, or its grant, came between look and insert
  'XX000', // "tuple concurrently updated"
];
const ATTEMPTS = 10;
/** As an administrator reads it. */
const LOGIN = "LOGIN PASSWORD 'the password in DATABASE_URL'";

/**
 * Makes the two roles where they are missing, so that the migrations can name them. Roles belong to the whole
 * server, which no lock of one database covers: a collision is answered by looking again.
 * @throws CONFIGURATION with the statements for an administrator, where the connection may not create roles; and
 * where it is the application's own, which row-level security would no longer bind.
 */
export async function ensureRoles(client: Client, appPassword: string | undefined): Promise<void> {
  if (client.user === APP_ROLE) {
    throw new RegenteError(
      'CONFIGURATION',
      `MIGRATE_DATABASE_URL logs in as ${APP_ROLE}, which must own nothing; use the role that owns the database.`,
    );
  }
  const login =
    appPassword === undefined ? 'NOLOGIN' : `LOGIN PASSWORD ${client.escapeLiteral(appPassword)}`;
  for (let attempt = 1; ; attempt += 1) {
    const missing = await missingStatements(client);
    try {
      for (const statement of missing) {
        await client.query(statement.replace(LOGIN, () => login));
      }
      return;
    } catch (error) {
      const state = sqlState(error);
      if (state === '42501') throw needsAdministrator(missing, error);
      if (!COLLISIONS.includes(state) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function missingStatements(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ rolname: string; usable: boolean }>(
    `SELECT rolname, pg_has_role(rolname, 'SET') AS usable FROM pg_roles WHERE rolname = ANY ($1)`,
    [[DEFINER_ROLE, APP_ROLE]],
  );
  const usable = new Map(rows.map((row) => [row.rolname, row.usable]));
  const owner = client.escapeIdentifier(client.user ?? 'the owner of the database');
  return [
    usable.has(DEFINER_ROLE) ? '' : `CREATE ROLE ${DEFINER_ROLE} NOLOGIN BYPASSRLS`,
    // The migrations hand functions to this role, which takes membership; another owner may have made it.
    usable.get(DEFINER_ROLE) === true ? '' : `GRANT ${DEFINER_ROLE} TO ${owner}`,
    usable.has(APP_ROLE) ? '' : `CREATE ROLE ${APP_ROLE} NOBYPASSRLS ${LOGIN}`,
  ].filter((statement) => statement !== '');
}

function needsAdministrator(statements: readonly string[], cause: unknown): RegenteError {
  return new RegenteError(
    'CONFIGURATION',
    `This connection may not create the roles of Regente. Run as an administrator of the server, then try again:
${statements.map((statement) => `${statement};`).join('\n')}`,
    { cause },
  );
}
