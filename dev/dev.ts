// `npm run dev`: the whole stack on this machine, until Ctrl-C. Its data stays in the checkout.
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RegenteError } from '../domain/errors';
import { openDatabase } from '../prisma/client';
import { createDemoCompany, logIn, setUpAccount, type DemoPeople } from './demo/company';
import { startLocal, type Local } from './local';
import { checkoutFolder, lockCheckout } from './stack/index';
import { freePort, isListening } from './stack/ports';

/** What a checkout keeps between two starts, beside its data. */
interface DevState {
  apiPort: number;
  sandboxPort: number;
  people: DemoPeople;
  webhook: { url: string; secret: string };
}

const CHECKOUT = join(__dirname, '..');
const say = (line: string): void => console.log(line);

const USAGE = `Usage: npm run dev

  Starts database, engine, stand-in vendor, API and worker on this machine until Ctrl-C; the data stays in the checkout.
  Reads LOG_LEVEL (info).`;

/** sysexits.h */
const EX_USAGE = 64;

async function main(args: readonly string[]): Promise<void> {
  if (args.length > 0) {
    const isHelp = args.includes('--help');
    (isHelp ? process.stdout : process.stderr).write(`${USAGE}\n`);
    process.exitCode = isHelp ? 0 : EX_USAGE;
    return;
  }
  const lock = await lockCheckout(CHECKOUT);
  const dir = await checkoutFolder(CHECKOUT);
  const statePath = join(dir, 'dev.json');
  const known = existsSync(statePath)
    ? (JSON.parse(readFileSync(statePath, 'utf8')) as DevState)
    : null;
  const apiPort = known?.apiPort ?? ((await isListening(3000)) ? await freePort() : 3000);
  const sandboxPort = known?.sandboxPort ?? (await freePort());
  const local = await startLocal({
    dir,
    ui: true,
    apiPort,
    sandbox: { port: sandboxPort, ...(known === null ? {} : webhooksTo(known.webhook)) },
    settings: { PUBLIC_URL: `http://localhost:${apiPort}` },
    logLevel: process.env['LOG_LEVEL'] ?? 'info',
    onProgress: say,
  });
  const state = known ?? (await firstStart(local, apiPort, sandboxPort));
  if (known === null) await writeFile(statePath, JSON.stringify(state, null, 2), { mode: 0o600 });
  printAddresses(local, state);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  say('Stopping …');
  await local.stop();
  await lock.release();
}

/** A company to begin with: people, a wallet, an account at the stand-in vendor and a budget. */
async function firstStart(local: Local, apiPort: number, sandboxPort: number): Promise<DevState> {
  const db = openDatabase({ url: local.config.DATABASE_URL, maxConnections: 2 });
  try {
    const people = await createDemoCompany(db);
    const director = await logIn(local.api.url, people.director);
    const account = await setUpAccount(director, {
      sandboxUrl: local.sandbox.url,
      ratePerSecond: null,
      budget: '5000.00',
    });
    const webhook = { url: account.webhookUrl, secret: account.webhookSecret };
    await local.sandbox.configure(webhooksTo(webhook));
    return { apiPort, sandboxPort, people, webhook };
  } finally {
    await db.close();
  }
}

const webhooksTo = ({ url, secret }: DevState['webhook']) => ({
  webhooks: {
    url,
    secret,
    delivered: 0.95,
    read: 0.4,
    failed: 0.02,
    minDelayMs: 500,
    maxDelayMs: 5_000,
    batchSize: 20,
  },
});

function printAddresses(local: Local, { people }: DevState): void {
  const { api, stack, sandbox } = local;
  say('');
  say(`  API            ${api.url}`);
  say(`  Reference      ${api.url}/docs`);
  say(`  Temporal UI    ${stack.uiUrl ?? 'off'}`);
  say(`  Vendor         ${sandbox.url}/_control/totals`);
  say(
    `  Login          ${people.director.email}  (also ${people.operator.email}, ${people.supervisor.email})`,
  );
  say(`  Password       ${people.director.password}`);
  say('');
  say('Ctrl-C stops it; the data stays in this checkout.');
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof RegenteError ? error.message : String(error)}\n`);
  process.exit(1);
});
