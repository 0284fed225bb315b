import { setTimeout as delay } from 'node:timers/promises';
import { launch, openOffice, type Launched, type Office } from '../chaos/campaign';
import { openInstallation } from '../chaos/installation';
import { createRandom } from '../chaos/random';
import { until } from '../chaos/until';
import type { RemoteSandbox } from '../sandbox/remote';
import type { ControlBenchOptions } from './options/control';
import { quantile } from './quantile';

export interface ControlReport {
  pauses: number;
  /** From the request to the last call whose beginning the vendor has read; 0 where none came after the request. */
  silenceP50Ms: number;
  silenceP99Ms: number;
  /** From the request to the answer `PAUSED`. */
  answerP50Ms: number;
  answerP99Ms: number;
  /** From the request to resume to the first call. */
  resumeP50Ms: number;
  /** Calls that began between an answer and the request to resume. */
  sentAfterPause: number;
}

/** The moments of one pause, by the clock that the vendor reads too. */
export interface Pause {
  askedAt: number;
  answeredAt: number;
  /** When it was asked to go on. */
  resumedAt: number;
}

/** For how long nothing may come. */
const LISTEN_MS = 1_000;
/** At full speed for as long, before each pause. */
const RUN_MS = [100, 700] as const;
const LOOK_MS = 10;
const WITHIN_MS = 60_000;

/** Pauses and resumes a campaign at full speed, as a person does: over HTTP, with the production build behind it. */
export async function runControlBench(
  { pauses: count, recipients, workers, seed }: ControlBenchOptions,
  say: (line: string) => void,
): Promise<ControlReport> {
  const installation = await openInstallation({
    sandbox: { numberRules: false, journal: true },
    onProgress: say,
  });
  const { sandbox } = installation;
  try {
    const started = await Promise.all([
      installation.startApi(),
      ...Array.from({ length: workers }, () => installation.startWorker()),
    ]);
    await Promise.all(started.map((process) => process.untilReady()));
    const office = await openOffice(installation);
    const random = createRandom(seed, 'control');
    say(`A campaign of ${recipients.toLocaleString('en')} begins`);
    const campaign = await launch(office, recipients);
    const pauses: Pause[] = [];
    await untilMore(sandbox, 0, recipients);
    while (pauses.length < count) {
      await delay(random.between(...RUN_MS));
      pauses.push(await pauseAndResume(office, campaign, sandbox));
      say(`Pause ${pauses.length} of ${count}`);
    }
    return summarizePauses(pauses, timesOf(await sandbox.journal()));
  } finally {
    await installation.stop();
  }
}

async function pauseAndResume(
  { supervisor }: Office,
  { id, recipients }: Launched,
  sandbox: RemoteSandbox,
): Promise<Pause> {
  const askedAt = Date.now();
  await until('it answers PAUSED', async () => {
    const { state } = await supervisor.post<{ state: string }>(`/v1/campaigns/${id}/pause`);
    return state === 'PAUSED';
  });
  const answeredAt = Date.now();
  await delay(LISTEN_MS);
  const { accepted } = await sandbox.totals();
  const resumedAt = Date.now();
  await supervisor.post(`/v1/campaigns/${id}/resume`);
  await untilMore(sandbox, accepted, recipients);
  return { askedAt, answeredAt, resumedAt };
}

/** Waits for another message. @throws when nobody is left to be sent to. */
async function untilMore(
  sandbox: RemoteSandbox,
  before: number,
  recipients: number,
): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const { accepted } = await sandbox.totals();
    if (accepted >= recipients)
      throw new Error('The campaign had ended before all pauses: give it more people.');
    if (accepted > before) return;
    if (performance.now() > deadline) throw new Error('Nothing is sent.');
    await delay(LOOK_MS);
  }
}

const timesOf = (journal: readonly { receivedAt: number }[]): number[] =>
  journal.map(({ receivedAt }) => receivedAt);

/** @param calls when the vendor read each, in any order. */
export function summarizePauses(pauses: readonly Pause[], calls: readonly number[]): ControlReport {
  const sorted = [...calls].sort((a, b) => a - b);
  const each = pauses.map(({ askedAt, answeredAt, resumedAt }) => {
    const last = sorted.findLast((at) => at <= resumedAt) ?? askedAt;
    const next = sorted.find((at) => at > resumedAt) ?? resumedAt;
    return {
      silenceMs: Math.max(0, last - askedAt),
      answerMs: answeredAt - askedAt,
      resumeMs: next - resumedAt,
      // Read in the very millisecond of the answer is before it.
      late: sorted.filter((at) => at > answeredAt && at <= resumedAt).length,
    };
  });
  const silences = each.map(({ silenceMs }) => silenceMs);
  const answers = each.map(({ answerMs }) => answerMs);
  return {
    pauses: pauses.length,
    silenceP50Ms: quantile(silences, 0.5),
    silenceP99Ms: quantile(silences, 0.99),
    answerP50Ms: quantile(answers, 0.5),
    answerP99Ms: quantile(answers, 0.99),
    resumeP50Ms: quantile(
      each.map(({ resumeMs }) => resumeMs),
      0.5,
    ),
    sentAfterPause: each.reduce((sum, { late }) => sum + late, 0),
  };
}
