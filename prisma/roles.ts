import type { Client } from 'pg';
import { RegenteError } from '../domain/errors';
import { sqlState } from './errors';

/** Role that the functions across tenants belong to; it can bypass row-level security and cannot log in. */
const DEFINER_ROLE = 'regente_definer';
/** Role that holds the application's grants; the application logs in as it, or as a member of it. */
const APP_ROLE = 'regente_app';

/**
 * Makes the two roles where they are missing, so that the migrations can name them.
 * @throws CONFIGURATION with the statements for an administrator, where the connection may not create roles.
 */
export async function ensureRoles(client: Client, appPassword: string | undefined): Promise<void> {
  const { rows } = await client.query<{ rolname: string }>(
    'SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)',
    [[DEFINER_ROLE, APP_ROLE]],
  );
  const known = new Set(rows.map((row) => row.rolname));
  const login =
    appPassword === undefined ? 'NOLOGIN' : `LOGIN PASSWORD ${client.escapeLiteral(appPassword)}`;
  try {
    if (!known.has(DEFINER_ROLE)) {
      await client.query(
        `CREATE ROLE ${DEFINER_ROLE} NOLOGIN BYPASSRLS; GRANT ${DEFINER_ROLE} TO CURRENT_USER`,
      );
    }
    if (!known.has(APP_ROLE)) await client.query(`CREATE ROLE ${APP_ROLE} ${login} NOBYPASSRLS`);
  } catch (error) {
    if (sqlState(error) === '42501') throw needsAdministrator(client, error);
    throw error;
  }
}

function needsAdministrator(client: Client, cause: unknown): RegenteError {
  const owner = client.escapeIdentifier(client.user ?? 'the owner of the database');
  return new RegenteError(
    'CONFIGURATION',
    `This connection may not create the roles of Regente. Run as an administrator of the server, then try again:
CREATE ROLE ${DEFINER_ROLE} NOLOGIN BYPASSRLS;
GRANT ${DEFINER_ROLE} TO ${owner};
CREATE ROLE ${APP_ROLE} LOGIN NOBYPASSRLS PASSWORD 'the password in DATABASE_URL';`,
    { cause },
  );
}
