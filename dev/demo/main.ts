// `npm run demo`: a company, a file, an approval, a finished campaign and a report that adds up.
import { setTimeout as delay } from 'node:timers/promises';
import { RegenteError } from '../../domain/errors';
import { openDatabase } from '../../prisma/client';
import { startLocal, type Local } from '../local';
import { holdPort } from '../stack/ports';
import {
  countReasons,
  followCampaign,
  importBlocklist,
  prepareCampaign,
  UnusableFileError,
  type CampaignView,
  type Summary,
} from './campaign';
import {
  createDemoCompany,
  logIn,
  loginLines,
  setUpAccount,
  type DemoAccount,
  type DemoPeople,
} from './company';
import { ApiRefusal, type ApiClient } from './http';
import { readOptions, requireReadable, USAGE, type DemoOptions } from './options';
import { showProgress } from './progress';
import { checkSums, reportLines, type DemoResult, type ReportFacts } from './report';

/** Fast enough for a short demo, slow enough to watch the thousand of the example file. */
const EXAMPLE_RATE_PER_SECOND = 400;

/** sysexits.h */
const EX_USAGE = 64;
const EX_DATAERR = 65;
const EX_NOINPUT = 66;
/** As a shell says that Ctrl-C has ended a program. */
const INTERRUPTED = 130;

/** What the demo tells while it runs; nothing more once it is being ended. */
interface Talk {
  say(line: string): void;
  isSilent(): boolean;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = readOptions(args);
  if (options.csv !== null) requireReadable(options.csv);
  let isEnding = false;
  const talk: Talk = {
    isSilent: () => options.json || isEnding,
    say: (line) => {
      if (!talk.isSilent()) console.log(line);
    },
  };
  const started = Date.now();
  const api = await holdPort(0);
  const local = await startLocal({
    dir: 'temporary',
    ui: options.keep,
    ports: { api },
    settings: { PUBLIC_URL: `http://127.0.0.1:${api.port}`, DISPATCH_LANES: '4' },
    logLevel: process.env['LOG_LEVEL'] ?? 'error',
    onProgress: talk.say,
  });
  const signal = firstSignal();
  try {
    const people = await createPeople(local);
    const running = runCampaign(local, people, options, talk);
    const facts = await Promise.race([running, signal]);
    if (facts === undefined) {
      talk.say('\nEnding …');
      isEnding = true;
      return INTERRUPTED;
    }
    facts.result.seconds = Math.round((Date.now() - started) / 100) / 10;
    const wrong = checkSums(facts);
    if (options.json) process.stdout.write(`${JSON.stringify(facts.result)}\n`);
    else for (const line of ['', ...reportLines(facts), '', ...verdict(wrong)]) talk.say(line);
    if (wrong.length > 0)
      process.stderr.write(`The report does not add up:\n  ${wrong.join('\n  ')}\n`);
    if (options.keep) {
      const tell = options.json ? console.error : console.log;
      for (const line of keptLines(local, people)) tell(line);
      await signal;
    }
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await local.stop();
  }
}

async function createPeople({ config }: Local): Promise<DemoPeople> {
  const db = openDatabase({ url: config.DATABASE_URL, maxConnections: 2 });
  try {
    return await createDemoCompany(db);
  } finally {
    await db.close();
  }
}

async function runCampaign(
  local: Local,
  people: DemoPeople,
  options: DemoOptions,
  { say, isSilent }: Talk,
): Promise<ReportFacts> {
  const { api, sandbox } = local;
  const [director, operator, supervisor] = await Promise.all([
    logIn(api.url, people.director),
    logIn(api.url, people.operator),
    logIn(api.url, people.supervisor),
  ]);
  const isExample = options.csv === null && options.recipients === null;
  const account = await setUpAccount(director, {
    sandboxUrl: sandbox.url,
    ratePerSecond: isExample ? EXAMPLE_RATE_PER_SECOND : null,
    budget: '100.00',
  });
  await listenToVendor(local, account);
  await importBlocklist(director);
  say('Company, people, wallet, account, budget and blocklist are set up.');

  const { id, summary } = await prepareCampaign(operator, account, options);
  say(
    `The operator has loaded ${summary.total} rows: ${summary.valid} people, about ${summary.estimatedCost} of money.`,
  );
  await ensureBudget(director, account, summary);
  await operator.post(`/v1/campaigns/${id}/submit`);
  say('The operator has submitted the campaign; the supervisor approves it.');
  await supervisor.post(`/v1/campaigns/${id}/approve`);

  const progress = showProgress(isSilent);
  await followCampaign(operator, id, progress.update);
  progress.done();
  await sandbox.flushWebhooks({ now: true });
  const view = await untilDelivered(operator, id, local);
  return gatherFacts(local, { director, operator }, { account, id, summary, view });
}

/** The vendor reports deliveries to the account's webhook, some of them out of order, some twice. */
async function listenToVendor(
  { sandbox }: Local,
  { webhookUrl, webhookSecret }: DemoAccount,
): Promise<void> {
  await sandbox.configure({
    rates: { reject: 0.01 },
    webhooks: {
      url: webhookUrl,
      secret: webhookSecret,
      delivered: 0.95,
      read: 0.4,
      failed: 0.03,
      minDelayMs: 100,
      maxDelayMs: 800,
      batchSize: 50,
      outOfOrder: 0.1,
      repeated: 0.05,
    },
  });
}

/** A large file of one's own may cost more than the demo's budget; the director raises it. */
async function ensureBudget(
  director: ApiClient,
  account: DemoAccount,
  { estimatedCost }: Summary,
): Promise<void> {
  const wanted = Math.ceil(Number(estimatedCost) * 1.2) + 10;
  if (wanted > 100)
    await director.request('PATCH', `/v1/budgets/${account.budgetId}`, { budget: `${wanted}.00` });
}

/** Events arrive moments after the end; the report waits until the last of them is in the ledger. */
async function untilDelivered(
  operator: ApiClient,
  id: string,
  { config }: Local,
): Promise<CampaignView> {
  const db = openDatabase({ url: config.DATABASE_URL, maxConnections: 1 });
  try {
    for (let looks = 0; looks < 300; looks += 1) {
      const { rows } = await db.pool.query('SELECT 1 FROM companies_with_due_events()');
      if (rows.length === 0) break;
      await delay(100);
    }
  } finally {
    await db.close();
  }
  return operator.get<CampaignView>(`/v1/campaigns/${id}`);
}

async function gatherFacts(
  { sandbox }: Local,
  { director, operator }: { director: ApiClient; operator: ApiClient },
  {
    account,
    id,
    summary,
    view,
  }: { account: DemoAccount; id: string; summary: Summary; view: CampaignView },
): Promise<ReportFacts> {
  const { counts, fish, money } = view.progress;
  const budget = await director.get<{ budget: string; used: string; remaining: string }>(
    `/v1/budgets/${account.budgetId}`,
  );
  const totals = await sandbox.totals();
  const result: DemoResult = {
    recipients: counts.recipients,
    sent: counts.sent,
    delivered: counts.delivered,
    failed: counts.failed,
    skipped: counts.skipped,
    unknown: counts.unknown,
    cancelled: counts.cancelled,
    duplicated: totals.duplicated,
    cost: money.used,
    budget: budget.budget,
    seconds: 0,
  };
  return {
    result,
    file: {
      rows: summary.total,
      valid: summary.valid,
      corrected: summary.corrected,
      duplicates: summary.duplicates,
      invalid: summary.invalid,
    },
    skippedByReason: await countReasons(operator, id, 'skipped'),
    failedByReason: await countReasons(operator, id, 'failed'),
    read: counts.read,
    undelivered: counts.undelivered,
    fish: fish.sent,
    vendor: { accepted: totals.accepted, unique: totals.unique },
    remaining: budget.remaining,
  };
}

const verdict = (wrong: readonly string[]): string[] =>
  wrong.length === 0 ? ['Every line adds up.'] : [];

/** Settles with the first Ctrl-C or SIGTERM; those that follow change nothing, for one of a terminal may come twice. */
const firstSignal = (): Promise<undefined> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => resolve(undefined));
  });

function keptLines({ api, stack, ownerUrl }: Local, people: DemoPeople): string[] {
  return [
    '',
    `  API            ${api.url}`,
    `  Reference      ${api.url}/docs`,
    `  Temporal UI    ${stack.uiUrl ?? 'off'}`,
    ...loginLines(people),
    `  Data           ${stack.dir}`,
    '',
    `What the ledger takes: MIGRATE_DATABASE_URL=${ownerUrl} npm run admin -- ledger:months`,
    'Everything stays up until Ctrl-C, which ends it and removes the data.',
  ];
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UnusableFileError) return EX_DATAERR;
  if (!(error instanceof RegenteError)) return 1;
  return error.code === 'NOT_FOUND' ? EX_NOINPUT : error.code === 'VALIDATION' ? EX_USAGE : 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const isForReader =
      error instanceof RegenteError ||
      error instanceof ApiRefusal ||
      error instanceof UnusableFileError;
    process.stderr.write(`${isForReader ? error.message : String(error)}\n`);
    process.exit(exitCodeOf(error));
  },
);
