// `npm run admin`: makes the first companies, people and keys. Each secret is printed once and kept nowhere readable.
import { loadAdminConfig, orExit } from '../config';
import { RegenteError } from '../domain/errors';
import { openDatabase } from '../prisma/client';
import { runAdminCommand, UsageError, USAGE } from './admin-commands';

/** sysexits.h */
const EX_USAGE = 64;

async function main(args: string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help')) {
    console.log(USAGE);
    return args.length === 0 ? EX_USAGE : 0;
  }
  const config = orExit(loadAdminConfig);
  const db = openDatabase({ url: config.DATABASE_URL, maxConnections: 2 });
  try {
    for (const line of await runAdminCommand(db, config.PUBLIC_URL, args)) console.log(line);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${USAGE}`);
      return EX_USAGE;
    }
    if (!(error instanceof RegenteError)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    await db.close();
  }
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
