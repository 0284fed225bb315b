import type { Client } from 'pg';

/** Role that the functions across tenants belong to; it can bypass row-level security and cannot log in. */
const DEFINER_ROLE = 'regente_definer';
/** Role that holds the application's grants; the application logs in as it, or as a member of it. */
const APP_ROLE = 'regente_app';

/**
 * Makes the two roles where they are missing, so that the migrations can name them. A connection that may not
 * create roles (a managed database) gets an error that says which statements an administrator has to run.
 */
export async function ensureRoles(client: Client, appPassword: string | undefined): Promise<void> {
  const { rows } = await client.query<{ rolname: string }>(
    'SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)',
    [[DEFINER_ROLE, APP_ROLE]],
  );
  const known = new Set(rows.map((row) => row.rolname));
  if (!known.has(DEFINER_ROLE)) {
    await client.query(`CREATE ROLE ${DEFINER_ROLE} NOLOGIN BYPASSRLS`);
    await client.query(`GRANT ${DEFINER_ROLE} TO CURRENT_USER`);
  }
  if (!known.has(APP_ROLE)) {
    const login =
      appPassword === undefined ? 'NOLOGIN' : `LOGIN PASSWORD ${client.escapeLiteral(appPassword)}`;
    await client.query(`CREATE ROLE ${APP_ROLE} ${login} NOBYPASSRLS`);
  }
}
