// Starts a stack, prints one JSON line about it and stays until it is ended. Run as a process of its own by
// the tests of what happens when such a process dies, and from a checkout that is closed to others.
import { Client } from 'pg';
import { checkoutFolder, startStack } from '../../dev/stack';
import { watchdog } from '../../dev/stack/watchdog';

async function main(): Promise<void> {
  const dir = process.argv[2] === 'temporary' ? 'temporary' : await checkoutFolder(process.cwd());
  const stack = await startStack({ dir });
  const client = new Client({ connectionString: stack.adminUrl });
  await client.connect();
  const { rows } = await client.query<{ answer: string }>(
    `select upper('coração') || ' ' || (uuidv7() is not null) as answer`,
  );
  await client.end();
  console.log(
    JSON.stringify({
      dir: stack.dir,
      postgres: stack.postgres.pid,
      engine: stack.engine.pid,
      watchdog: watchdog().pid,
      answer: rows[0]?.answer,
    }),
  );
  // Without this the process would end here, and the stack with it: also a way to die, and a tested one.
  if (process.argv[3] === 'stay') setInterval(() => {}, 60_000);
}

void main();
