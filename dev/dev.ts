// `npm run dev`: the whole stack on this machine, until Ctrl-C. Its data stays in the checkout.
import { join } from 'node:path';
import { RegenteError } from '../domain/errors';
import { openDatabase } from '../prisma/client';
import { createDemoCompany, logIn, loginLines, setUpAccount } from './demo/company';
import { moveAccount, onOtherPorts, readDevState, writeDevState, type DevState } from './dev-state';
import { startLocal, type Local } from './local';
import { announceDev } from './running';
import { checkoutFolder, lockCheckout } from './stack/index';
import { holdPort, type HeldPort } from './stack/ports';

const CHECKOUT = join(__dirname, '..');
const say = (line: string): void => console.log(line);

const USAGE = `Usage: npm run dev

  Starts database, engine, stand-in vendor, API and worker on this machine until Ctrl-C; the data stays in the checkout.
  Reads LOG_LEVEL (info).`;

/** sysexits.h */
const EX_USAGE = 64;

async function main(args: readonly string[]): Promise<void> {
  const [wrong] = args;
  if (args.includes('--help')) return say(USAGE);
  if (wrong !== undefined) {
    console.error(`npm run dev does not know "${wrong}": it takes no options.\n\n${USAGE}`);
    process.exitCode = EX_USAGE;
    return;
  }
  const lock = await lockCheckout(CHECKOUT);
  const dir = await checkoutFolder(CHECKOUT);
  const known = readDevState(dir);
  const ports = {
    api: await hold('API', known?.apiPort ?? 3000),
    sandbox: await hold('vendor', known?.sandboxPort ?? 0),
  };
  const onPorts = { apiPort: ports.api.port, sandboxPort: ports.sandbox.port };
  const moved = known === null ? null : onOtherPorts(known, onPorts);
  const local = await startLocal({
    dir,
    ui: true,
    ports,
    ...(moved === null ? {} : { sandbox: webhooksTo(moved.webhook) }),
    settings: { PUBLIC_URL: `http://localhost:${ports.api.port}` },
    logLevel: process.env['LOG_LEVEL'] ?? 'info',
    onProgress: say,
  });
  const state = moved ?? { ...onPorts, ...(await firstStart(local)) };
  if (known !== null && known.sandboxPort !== state.sandboxPort) {
    await moveAccount(local.api.url, state, local.sandbox.url).catch((error: unknown) =>
      say(`The account at the stand-in vendor still has its old address: ${String(error)}`),
    );
  }
  await writeDevState(dir, state);
  const { DATABASE_URL: databaseUrl, PUBLIC_URL: publicUrl } = local.config;
  const takeBack = await announceDev(dir, { databaseUrl, ownerUrl: local.ownerUrl, publicUrl });
  printAddresses(local, state);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  say('Stopping …');
  await takeBack();
  await local.stop();
  await lock.release();
}

/** The port of last time, or another one where somebody else has it by now. */
async function hold(what: string, wanted: number): Promise<HeldPort> {
  const held = await holdPort(wanted);
  if (wanted !== 0 && held.port !== wanted)
    say(`Port ${wanted} is taken by another program: the ${what} is on ${held.port} from now on.`);
  return held;
}

/** A company to begin with: people, a wallet, an account at the stand-in vendor and a budget. */
async function firstStart(local: Local): Promise<Pick<DevState, 'people' | 'webhook'>> {
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
    return { people, webhook };
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
  for (const line of loginLines(people)) say(line);
  say('');
  say('Ctrl-C stops it; the data stays in this checkout.');
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof RegenteError ? error.message : String(error)}\n`);
  process.exit(1);
});
