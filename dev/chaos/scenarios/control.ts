import { setTimeout as delay } from 'node:timers/promises';
import { ApiRefusal } from '../../demo/http';
import { MISSED_AFTER_MS, SILENCE_MS } from '../arena';
import { launch, untilFinished, type Launched, type Office } from '../campaign';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  untilState,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { countCalls, type Silence } from '../silence';
import { until } from '../until';

const PAUSES = 4;
/** Full speed for many; time enough to be stopped for few. */
const FULL_SPEED = 5_000;
const fastest = ({ recipients }: Run): number => Math.max(3, recipients / FULL_SPEED);

/** Asks until it is PAUSED. Answers when that was, by the clock that the vendor reads too. */
async function pause({ supervisor }: Office, { id }: Launched): Promise<number> {
  await until('it answers PAUSED', async () => {
    const { state } = await supervisor.post<{ state: string }>(`/v1/campaigns/${id}/pause`);
    return state === 'PAUSED';
  });
  return Date.now();
}

async function pauseAndResume(run: Run): Promise<void> {
  const { arena, random, recipients, score } = run;
  const office = await openSlowOffice(run, fastest(run), { latencyMs: 20 });
  await arena.place.sandbox.configure({ journal: true });
  const campaign = await launch(office, recipients);
  const total = messagesOf(campaign);
  const silences: Silence[] = [];
  for (const share of random.ascending(PAUSES, 0.02, 0.8)) {
    let fromMs = 0;
    await strikeAt(run, { share, total, what: 'paused' }, async () => {
      const askedAt = performance.now();
      fromMs = await pause(office, campaign);
      const tookMs = Math.round(performance.now() - askedAt);
      score.notes['longestPauseMs'] = Math.max(Number(score.notes['longestPauseMs'] ?? 0), tookMs);
    });
    await delay(SILENCE_MS);
    silences.push({ campaigns: [campaign], fromMs, toMs: Date.now() });
    await office.supervisor.post(`/v1/campaigns/${campaign.id}/resume`);
  }
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  score.sentAfterPause += await countCalls(arena.place, silences);
  await settleUp(run, office, [campaign]);
}

async function cancel(run: Run): Promise<void> {
  const { arena, random, recipients, score } = run;
  const office = await openSlowOffice(run, fastest(run), { latencyMs: 20 });
  await arena.place.sandbox.configure({ journal: true });
  const half = Math.floor(recipients / 2);
  const silences: Silence[] = [];
  const campaigns: Launched[] = [];
  for (const from of ['PROCESSING', 'PAUSED'] as const) {
    const campaign = await launch(office, half);
    const total = messagesOf(...campaigns, campaign);
    const before = (await arena.place.sandbox.totals()).unique;
    campaigns.push(campaign);
    const share = (before + half * random.between(0.1, 0.6)) / total;
    await strikeAt(run, { share, total, what: `cancelled while ${from}` }, async () => {
      if (from === 'PAUSED') await pause(office, campaign);
      await office.supervisor.post(`/v1/campaigns/${campaign.id}/cancel`);
    });
    await untilState(office, campaign, 'CANCELLED');
    silences.push({ campaigns: [campaign], fromMs: Date.now(), toMs: Infinity });
    await delay(SILENCE_MS);
    for (const verb of ['resume', 'pause']) {
      const refused = await office.supervisor.post(`/v1/campaigns/${campaign.id}/${verb}`).then(
        () => false,
        (error: unknown) => error instanceof ApiRefusal && error.status === 409,
      );
      score.holds(`a cancelled campaign refuses ${verb}`, refused);
    }
  }
  // A lane whose worker was missed is given to another one, which would call until its lease is over.
  await delay(MISSED_AFTER_MS + SILENCE_MS);
  score.sentAfterPause += await countCalls(arena.place, silences);
  await settleUp(run, office, campaigns, { cancelledAllowed: true });
}

export const controlScenarios: readonly Scenario[] = [
  {
    name: 'pause-resume',
    about:
      'Pauses and resumes at random moments at full speed: from the answer PAUSED on, silence.',
    run: pauseAndResume,
  },
  {
    name: 'cancel',
    about: 'Cancels one campaign while it sends and one while it is paused; both are final.',
    run: cancel,
  },
];
