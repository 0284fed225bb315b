import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { bootstrapDatabase } from '../../dev/stack/bootstrap';
import { removeLeftovers, temporaryFolder } from '../../dev/stack/folders';
import { thisMachine } from '../../dev/stack/machine';
import { startPostgres } from '../../dev/stack/postgres';
import { watchdog } from '../../dev/stack/watchdog';
import { migrate } from '../../prisma/migrate';
import { atEnd } from './global-teardown';
import { prepareEngine } from './prepare-engine';

/** One PostgreSQL for the whole run; test files clone their databases from this one (`createTestDatabase`). */
const TEMPLATE = 'regente_template';

export default async function globalSetup(): Promise<void> {
  await prepareEngine(thisMachine(), (line) => process.stderr.write(`${line}\n`));
  await removeLeftovers();
  const folder = await temporaryFolder();
  watchdog().removeLater(folder);
  atEnd(() => rm(folder, { recursive: true, force: true }));
  await setUpPostgres(folder);
}

async function setUpPostgres(folder: string): Promise<void> {
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    logFile: join(folder, 'postgres.log'),
    durable: false,
    // Counts nothing, until a test asks for its own database (test/support/counted-database.ts).
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.track': 'none',
    },
  });
  atEnd(() => postgres.stop());
  const urls = await bootstrapDatabase({
    adminUrl: postgres.url,
    name: TEMPLATE,
    ownerPassword: randomBytes(12).toString('hex'),
    appPassword: randomBytes(12).toString('hex'),
  });
  await migrate(urls);
  const admin = new Client({ connectionString: postgres.url });
  await admin.connect();
  // A connection to it would make every clone wait.
  await admin.query(`ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  await admin.end();
  process.env['TEST_ADMIN_URL'] = postgres.url;
  process.env['TEST_TEMPLATE_OWNER_URL'] = urls.ownerUrl;
  process.env['TEST_TEMPLATE_APP_URL'] = urls.appUrl;
}
