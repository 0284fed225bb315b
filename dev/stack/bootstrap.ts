import { Client } from 'pg';
import { ensureRoles } from '../../prisma/roles';

/** Owns the tables and runs the migrations; an ordinary role, so that row-level security binds it too. */
const OWNER_ROLE = 'regente_owner';

export interface BootstrapOptions {
  /** The superuser's connection. */
  adminUrl: string;
  /** The database to make where it is missing. */
  name: string;
  /** Passwords of the two login roles; they are set anew every time. */
  ownerPassword: string;
  appPassword: string;
}

export interface DatabaseUrls {
  /** For `migrate`. */
  ownerUrl: string;
  /** For the application (`openDatabase`). */
  appUrl: string;
}

/** Makes the roles and an empty database of the owner, as an administrator would; the tables come from `migrate`. */
export async function bootstrapDatabase(options: BootstrapOptions): Promise<DatabaseUrls> {
  const { adminUrl, name, ownerPassword, appPassword } = options;
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const exists = async (query: string, value: string): Promise<boolean> =>
      (await admin.query(query, [value])).rowCount !== 0;
    if (!(await exists('SELECT FROM pg_roles WHERE rolname = $1', OWNER_ROLE))) {
      await admin.query(`CREATE ROLE ${OWNER_ROLE}`);
    }
    await ensureRoles(admin, appPassword);
    await admin.query(
      `ALTER ROLE ${OWNER_ROLE} LOGIN PASSWORD ${admin.escapeLiteral(ownerPassword)};
       ALTER ROLE regente_app LOGIN PASSWORD ${admin.escapeLiteral(appPassword)};
       GRANT regente_definer TO ${OWNER_ROLE}`,
    );
    if (!(await exists('SELECT FROM pg_database WHERE datname = $1', name))) {
      await admin.query(`CREATE DATABASE ${admin.escapeIdentifier(name)} OWNER ${OWNER_ROLE}`);
    }
  } finally {
    await admin.end();
  }
  return {
    ownerUrl: urlFor(adminUrl, name, OWNER_ROLE, ownerPassword),
    appUrl: urlFor(adminUrl, name, 'regente_app', appPassword),
  };
}

function urlFor(adminUrl: string, name: string, user: string, password: string): string {
  const url = new URL(adminUrl);
  url.username = user;
  url.password = encodeURIComponent(password);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
