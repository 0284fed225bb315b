import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { launch, openOffice, untilFinished } from '../chaos/campaign';
import { openInstallation } from '../chaos/installation';
import { startChild } from './child';
import type { WebhooksBenchOptions } from './options/webhooks';
import { processorSeconds, processorSecondsWithChildren } from './processor-time';
import type { WebhooksAnswer, WebhooksQuestion } from './webhooks-process';

export interface WebhooksReport {
  events: number;
  /** What was offered; null when each connection went as fast as it was answered. */
  ratePerSecond: number | null;
  /** Answered, and by then committed. */
  storedPerSecond: number;
  answerP50Ms: number;
  answerP99Ms: number;
  /** From the first callback to the last change of the ledger. */
  appliedPerSecond: number;
  /** How long after the last answer the ledger knew of all. */
  behindMs: number;
  refused: number;
  /** Messages of which the ledger does not say `delivered` in the end. */
  missing: number;
  /** Processor time of a callback, from its sending to its application; null where the system does not tell. */
  vendorCpuUs: number;
  apiCpuUs: number | null;
  postgresCpuUs: number | null;
  workerCpuUs: number | null;
}

const LOOK_MS = 20;
const APPLIED_WITHIN_MS = 300_000;
const MOST_RECIPIENTS = 100_000;
/** Compiled code and filled caches, as in a process that has run for a while. */
const MOST_WARM_UP = 10_000;

/** Sends a campaign, then tells of each of its messages in a callback of its own, to the production build. */
export async function runWebhooksBench(
  { events, ratePerSecond, connections }: WebhooksBenchOptions,
  say: (line: string) => void,
): Promise<WebhooksReport> {
  const installation = await openInstallation({ sandbox: { numberRules: false }, onProgress: say });
  const admin = new Client({ connectionString: installation.adminUrl });
  const child = startChild<WebhooksQuestion, WebhooksAnswer>(
    resolve(__dirname, 'webhooks-process.ts'),
  );
  try {
    const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);
    await Promise.all([api.untilReady(), worker.untilReady()]);
    await admin.connect();
    const office = await openOffice(installation);
    say('Sending the campaign that the callbacks are about');
    const recipients = Math.min(events, MOST_RECIPIENTS);
    const campaign = await launch(office, recipients);
    await untilFinished(office, campaign, APPLIED_WITHIN_MS);
    const { rows } = await admin.query<{ line: string }>(
      `SELECT provider_message_id || ' ' || to_char(ledger_month, 'YYYYMM') || '.' || source_id || '.' || position || '.' || step
         || '.' || channel AS line FROM communications WHERE source_id = $1 AND state = 'sent'`,
      [campaign.executionId],
    );
    if (rows.length === 0) throw new Error('Nothing was sent.');
    const { webhookUrl: url, webhookSecret: secret } = office.account;
    const tell = async (
      count: number,
      status: WebhooksQuestion['status'],
      perSecond: number,
    ): Promise<WebhooksAnswer> => {
      const file = join(installation.stack.dir, status);
      // With more events than people some are told of again, as vendors do.
      const lines = Array.from({ length: count }, (_, i) => rows[i % rows.length]?.line ?? '');
      await writeFile(file, lines.join('\n'));
      return child.ask({ url, secret, file, status, connections, ratePerSecond: perSecond });
    };
    say('Warming up with callbacks that say nothing new');
    await tell(Math.min(events, MOST_WARM_UP), 'accepted', 0);
    await untilApplied(admin);

    say(`Delivering ${events.toLocaleString('en')} callbacks`);
    const pids = { api: api.pid, worker: worker.pid, postgres: installation.stack.postgres.pid };
    const since = watchProcessors(pids, events);
    const beganAt = performance.now();
    const told = await tell(events, 'delivered', ratePerSecond ?? 0);
    const answeredAt = performance.now();
    await untilApplied(admin);
    const appliedAt = performance.now();
    const cpuUs = since();
    const { rows: counted } = await admin.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM communications WHERE source_id = $1 AND state = 'delivered'`,
      [campaign.executionId],
    );
    return {
      events,
      ratePerSecond,
      storedPerSecond: Math.round(events / told.seconds),
      answerP50Ms: round(told.p50Ms),
      answerP99Ms: round(told.p99Ms),
      appliedPerSecond: Math.round(events / ((appliedAt - beganAt) / 1_000)),
      behindMs: Math.round(appliedAt - answeredAt),
      refused: told.refused,
      missing: Math.min(events, rows.length) - (counted[0]?.n ?? 0),
      vendorCpuUs: Math.round((told.cpuSeconds / events) * 1e6),
      ...cpuUs,
    };
  } finally {
    await child.stop();
    await admin.end().catch(() => undefined);
    await installation.stop();
  }
}

/** From now on until the answer is called: microseconds of each part for one event. */
function watchProcessors(
  { api, worker, postgres }: Record<'api' | 'worker' | 'postgres', number>,
  events: number,
): () => Pick<WebhooksReport, 'apiCpuUs' | 'postgresCpuUs' | 'workerCpuUs'> {
  const read = () => ({
    apiCpuUs: processorSeconds(api),
    postgresCpuUs: processorSecondsWithChildren(postgres),
    workerCpuUs: processorSeconds(worker),
  });
  const before = read();
  return () => {
    const after = read();
    const each = (name: keyof typeof before): number | null => {
      const [from, to] = [before[name], after[name]];
      return from === null || to === null ? null : Math.round(((to - from) / events) * 1e6);
    };
    return {
      apiCpuUs: each('apiCpuUs'),
      postgresCpuUs: each('postgresCpuUs'),
      workerCpuUs: each('workerCpuUs'),
    };
  };
}

async function untilApplied(admin: Client): Promise<void> {
  const deadline = performance.now() + APPLIED_WITHIN_MS;
  for (;;) {
    const { rows } = await admin.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM webhook_inbox WHERE state = 'pending'`,
    );
    if (rows[0]?.n === 0) return;
    if (performance.now() > deadline) throw new Error('Not all events were applied.');
    await delay(LOOK_MS);
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
