import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { MessageState } from '../../../domain/communications';
import { startChild } from '../../bench/child';
import type { WebhooksAnswer, WebhooksQuestion } from '../../bench/webhooks-process';
import { mergeSettings } from '../../sandbox/settings';
import { eventsOf } from '../../sandbox/status-events';
import type { AcceptedMessage } from '../../sandbox/store';
import { callback, deliver, type Callback, type Delivery } from '../callbacks';
import { launch, untilFinished, type Launched, type Office } from '../campaign';
import { countEarly, countPending } from '../inbox';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { until } from '../until';
import { readLedger } from '../verdict';

const LATENCY_MS = 200;
const DAY_MS = 86_400_000;

/**
 * Half of the events are due before the vendor's own answer, but may wait for a connection until long after it. A quarter
 * of the answers therefore wait for an event: we store that one before we can know of the vendor's id.
 */
const WILD = {
  delivered: 0.9,
  read: 0.4,
  failed: 0.05,
  minDelayMs: 0,
  maxDelayMs: 2 * LATENCY_MS,
  outOfOrder: 0.5,
  repeated: 0.3,
  late: 0.1,
  lateMs: 1_500,
  beforeAnswer: 0.25,
  concurrency: 16,
  maxAttempts: 16,
};

async function tellWildly(run: Run): Promise<void> {
  const { arena, random, recipients, score } = run;
  const { sandbox, adminUrl } = arena.place;
  const office = await openSlowOffice(run, 8, { latencyMs: LATENCY_MS });
  const { webhookUrl: url, webhookSecret: secret } = office.account;
  await sandbox.configure({ webhooks: { url, secret, ...WILD } });
  const campaign = await launch(office, recipients);
  const share = random.between(0.2, 0.6);
  const strike = { share, total: messagesOf(campaign), what: 'api killed' };
  await strikeAt(run, strike, () => arena.replaceApi());
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  await sandbox.flushWebhooks();
  await untilApplied(run);

  const totals = await sandbox.totals();
  score.holds('the vendor got every event rid of', totals.webhooksGivenUp === 0);
  const accepted = await sandbox.accepted();
  const early = await countEarly(adminUrl, campaign.executionId);
  score.notes['beforeTheAnswer'] = early.stored;
  score.notes['appliedFirst'] = early.applied;
  score.notes['deliveredAgain'] = totals.webhookRetries;
  score.holds('some events come before the answer that they are about', early.stored > 0);

  const settings = mergeSettings(null, { numberRules: false, webhooks: { url, secret, ...WILD } });
  const { webhooks } = settings;
  if (webhooks === null) throw new Error('The vendor tells nothing.');
  await compare(run, campaign, accepted, (message) =>
    finalState(
      eventsOf({ ...message, to: '' }, settings, webhooks, 0).map(({ event }) => event.status),
    ),
  );
  await settleUp(run, office, [campaign]);
}

function finalState(statuses: readonly Callback['status'][]): MessageState {
  if (statuses.includes('read')) return 'read';
  if (statuses.includes('delivered')) return 'delivered';
  return statuses.includes('failed') ? 'undelivered' : 'sent';
}

/** Holds what the ledger says of each message against what the vendor has told of it; who is wrong is lost. */
async function compare(
  { arena, score, say }: Run,
  { executionId }: Launched,
  accepted: readonly AcceptedMessage[],
  expected: (message: AcceptedMessage) => MessageState,
): Promise<void> {
  const ledger = await readLedger(arena.place.adminUrl, executionId);
  const wrong = accepted.filter((each) => ledger.get(each.reference) !== expected(each));
  score.holds('the ledger says what the vendor has told', wrong.length === 0);
  for (const each of wrong.slice(0, 5))
    say(`  ${each.reference} is ${ledger.get(each.reference)}, was told ${expected(each)}`);
  score.lose(wrong.length);
}

const untilApplied = ({ arena }: Run): Promise<void> =>
  until(
    'every event is applied',
    async () => (await countPending(arena.place.adminUrl)) === 0,
    STEP_WITHIN_MS,
  );

async function sendAll(
  run: Run,
): Promise<{ office: Office; campaign: Launched; accepted: AcceptedMessage[] }> {
  const office = await openSlowOffice(run, 3, { latencyMs: 20 });
  const campaign = await launch(office, run.recipients);
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  return { office, campaign, accepted: await run.arena.place.sandbox.accepted() };
}

async function forge(run: Run): Promise<void> {
  const { random, score } = run;
  const { office, campaign, accepted } = await sendAll(run);
  const { account } = office;
  const [star] = accepted;
  if (star === undefined) throw new Error('Nothing was sent.');

  const someone = (): AcceptedMessage => accepted[random.whole(0, accepted.length - 1)] ?? star;
  const forgeries: (() => Delivery)[] = [
    () => ({ secret: 'adivinhado' }),
    () => ({ arrives: JSON.stringify({ events: [callback(someone(), 'read')] }) }),
    () => ({ signedAtMs: Date.now() - 30 * DAY_MS }),
    () => ({ signedAtMs: Date.now() + DAY_MS }),
    () => ({ to: `${account.webhookUrl}x` }),
  ];
  for (const forgery of [...forgeries, ...forgeries, ...forgeries]) {
    const { status } = await deliver(account, [callback(someone(), 'read')], forgery());
    score.holds('a forged or stale callback is refused', status === 401 || status === 404);
    score.hits += 1;
  }
  await untilApplied(run);
  await compare(run, campaign, accepted, () => 'sent');

  // Genuine: of now, and of thirty days ago; each once more, word by word.
  const parts = [accepted.slice(0, 400), accepted.slice(400, 800)];
  for (const [i, part] of parts.entries()) {
    const told = part.map((each) => callback(each, 'delivered', Date.now() - i * 30 * DAY_MS));
    const [first, ...replays] = [
      await deliver(account, told),
      await deliver(account, told),
      ...(await Promise.all(Array.from({ length: 20 }, () => deliver(account, told)))),
    ];
    score.holds('a genuine callback is stored', first?.stored === part.length);
    score.holds(
      'a replay stores nothing',
      replays.every(({ status, stored }) => status === 200 && stored === 0),
    );
  }
  // Fifty at once about one message, the last word first; nothing that comes later takes it back.
  const words = Array.from({ length: 50 }, () =>
    random.pick(['accepted', 'delivered', 'read'] as const),
  );
  const stories = await Promise.all(
    ['read' as const, ...words].map((word) => deliver(account, [callback(star, word)])),
  );
  score.holds(
    'fifty at once are all stored',
    stories.every(({ stored }) => stored === 1),
  );
  await untilApplied(run);
  const told = new Set(parts.flat().map(({ reference }) => reference));
  await compare(run, campaign, accepted, ({ reference }) =>
    reference === star.reference ? 'read' : told.has(reference) ? 'delivered' : 'sent',
  );
  await settleUp(run, office, [campaign]);
}

const EVENTS_PER_PERSON = 5;
const CONNECTIONS = 50;

async function burst(run: Run): Promise<void> {
  const { arena, recipients, score, say } = run;
  const { office, campaign, accepted } = await sendAll(run);
  const count = recipients * EVENTS_PER_PERSON;
  const lines = Array.from({ length: count }, (_, i) => accepted[i % accepted.length]).flatMap(
    (each) => (each === undefined ? [] : [`${each.id} ${each.reference}`]),
  );
  const file = join(arena.place.stack.dir, `callbacks-${campaign.id}`);
  await writeFile(file, lines.join('\n'));
  const child = startChild<WebhooksQuestion, WebhooksAnswer>(
    resolve(__dirname, '../../bench/webhooks-process.ts'),
  );
  try {
    const { webhookUrl: url, webhookSecret: secret } = office.account;
    const telling = child.ask({
      url,
      secret,
      file,
      status: 'delivered',
      connections: CONNECTIONS,
      ratePerSecond: 0,
    });
    const [worker] = arena.workers;
    if (worker === undefined) throw new Error('No worker runs.');
    await until('events wait', async () => (await countPending(arena.place.adminUrl)) > 0);
    await worker.kill();
    score.hits += 1;
    await arena.replaceWorker(worker);
    const { seconds, refused, p99Ms } = await telling;
    const answered = performance.now();
    await untilApplied(run);
    score.recovered(performance.now() - answered);
    score.notes['callbacks'] = count;
    score.notes['perSecond'] = Math.round(count / seconds);
    score.notes['answerP99Ms'] = Math.round(p99Ms);
    say(`  ${count} callbacks in ${seconds.toFixed(1)} s`);
    score.holds('every callback of a burst is taken', refused === 0);
  } finally {
    await child.stop();
  }
  await compare(run, campaign, accepted, () => 'delivered');
  await settleUp(run, office, [campaign]);
}

export const webhookScenarios: readonly Scenario[] = [
  {
    name: 'webhooks-wild',
    about:
      'Events out of order, repeated, late and before the answer that they are about, with the API killed on the way.',
    run: tellWildly,
  },
  {
    name: 'webhooks-forged',
    about:
      'Forged, changed, stale and replayed callbacks, events of 30 days ago, and fifty at once.',
    run: forge,
  },
  {
    name: 'webhooks-burst',
    about:
      'Five callbacks a person, as fast as they are answered, with a worker killed on the way.',
    run: burst,
  },
];
