import { setTimeout as delay } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { Client } from 'pg';
import { SILENCE_MS } from '../arena';
import {
  approve,
  audienceFile,
  audiencePath,
  createDraft,
  launch,
  untilFinished,
  type Launched,
  type Office,
} from '../campaign';
import { repeatUntilAnswered, throughCut, throughDeath, withKey, type Write } from '../deaths';
import { holdLock } from '../locks';
import { pausing } from '../pausing-file';
import {
  look,
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  untilShare,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { countCalls } from '../silence';
import { until } from '../until';

/** The people of a scenario, shared out among so many campaigns. */
const shared = ({ recipients }: Run, campaigns: number): number[] =>
  Array.from({ length: campaigns }, () => Math.floor(recipients / campaigns));

const CAMPAIGNS = 'SELECT FROM campaigns WHERE id = ANY ($1) FOR UPDATE';

async function killDuringUpload(run: Run): Promise<void> {
  const { arena, random, score } = run;
  const office = await openSlowOffice(run, 5);
  const drafts = await Promise.all(
    shared(run, 4).map(async (recipients) => ({ ...(await createDraft(office)), recipients })),
  );
  const upload = (draft: { id: string; recipients: number }, file: () => Readable) =>
    withKey(office.operator, (keyed) => keyed.put(audiencePath(draft.id), file(), 'text/csv'));
  const [first, second, third, fourth] = drafts;
  if (!first || !second || !third || !fourth) throw new Error('No drafts.');

  // In the middle of two files, and again when all of two others has been read and one is being given its audience.
  const middle = pausing(first.recipients, random.between(0.1, 0.9));
  await throughCut(
    run,
    [upload(first, middle.file), upload(second, () => audienceFile(second.recipients))],
    () => middle.reached.then(() => undefined),
  );
  const end = pausing(third.recipients, 1);
  await throughCut(
    run,
    [upload(third, end.file), upload(fourth, () => audienceFile(fourth.recipients))],
    async () => {
      await end.reached;
      const held = await holdLock(arena.place.adminUrl, CAMPAIGNS, [[third.id]]);
      end.goOn();
      await held.waiter('api', 'campaigns');
      return held;
    },
  );

  for (const { id, recipients } of drafts)
    score.holds('an upload is there once and whole', (await countUploaded(run, id)) === recipients);
  const campaigns: Launched[] = [];
  for (const draft of drafts) {
    await office.operator.post(`/v1/campaigns/${draft.id}/submit`);
    campaigns.push(await approve(office, draft));
  }
  await finishAll(run, office, campaigns);
}

async function countUploaded({ arena }: Run, campaignId: string): Promise<number> {
  const client = new Client({ connectionString: arena.place.adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ people: number }>(
      `SELECT count(*)::int AS people FROM campaigns c JOIN campaign_recipients r ON r.audience_id = c.audience_id
       WHERE c.id = $1`,
      [campaignId],
    );
    return rows[0]?.people ?? 0;
  } finally {
    await client.end();
  }
}

async function killDuringApproval(run: Run): Promise<void> {
  const { arena, random, score } = run;
  const office = await openSlowOffice(run, 5);
  const submitted: { id: string; recipients: number }[] = [];
  for (const recipients of shared(run, 4)) {
    const { id } = await createDraft(office);
    await office.operator.put(audiencePath(id), audienceFile(recipients), 'text/csv');
    await office.operator.post(`/v1/campaigns/${id}/submit`);
    submitted.push({ id, recipients });
  }
  // Half of them are surely under way; the others are wherever they have come to.
  const half = submitted.slice(0, 2).map(({ id }) => id);
  const held = await holdLock(arena.place.adminUrl, CAMPAIGNS, [half]);
  const approvals = submitted.map(({ id }) =>
    withKey(office.supervisor, (keyed) =>
      keyed.post<{ executionId: string }>(`/v1/campaigns/${id}/approve`),
    ),
  );
  const answers = await throughCut(run, approvals, async () => {
    await held.waiter('api', 'campaigns');
    await delay(random.between(0, 60));
    return held;
  });
  const campaigns = submitted.map((each, i) => ({
    ...each,
    executionId: answers[i]?.executionId ?? '',
  }));
  await finishAll(run, office, campaigns);
  for (const { id, executionId } of campaigns) {
    const { items } = await office.operator.get<{ items: { id: string }[] }>(
      `/v1/campaigns/${id}/executions`,
    );
    score.holds('an approval opens one execution', items.length === 1);
    score.holds('its repetition is answered with that one', items[0]?.id === executionId);
  }
}

const EXECUTION = 'SELECT pg_advisory_xact_lock(execution_lock($1))';
/** So often a pause may be quicker than the kill. */
const CUTS = 5;

async function killDuringPause(run: Run): Promise<void> {
  const { arena, random, score } = run;
  const { sandbox } = arena.place;
  // It must still be under way when the next API is: a pause that has died with its API comes too late otherwise.
  const office = await openSlowOffice(run, 90, { latencyMs: 400 });
  await sandbox.configure({ journal: true });
  const campaigns: Launched[] = [];
  for (const recipients of shared(run, 3)) campaigns.push(await launch(office, recipients));
  const total = messagesOf(...campaigns);
  const each = (verb: string): Write<{ state: string }>[] =>
    campaigns.map(({ id }) =>
      withKey(office.supervisor, (keyed) => keyed.post(`/v1/campaigns/${id}/${verb}`)),
    );
  await untilShare(run, { share: random.between(0.05, 0.2), total });
  for (let tries = 1; ; tries += 1) {
    const { cut } = await throughDeath(run, each('pause'), () => untilPausing(office, campaigns));
    if (cut > 0) break;
    if (tries === CUTS) throw new Error('Every pause was answered before the API was dead.');
    await Promise.all(each('resume').map(repeatUntilAnswered));
  }
  // One that was answered "not yet" is asked again.
  for (const pause of each('pause'))
    score.holds(
      'a repeated pause ends in PAUSED',
      (await repeatUntilAnswered(pause)).state === 'PAUSED',
    );
  const fromMs = Date.now();
  await delay(SILENCE_MS);
  const silence = { campaigns, fromMs, toMs: Date.now() };
  await sandbox.configure({ latency: { kind: 'fixed', ms: 40 } });
  await throughCut(run, each('resume'), async () => {
    const ids = campaigns.map(({ executionId }) => executionId);
    const held = await holdLock(arena.place.adminUrl, EXECUTION, ids.slice(0, 1));
    await held.waiter('api', 'execution_lock');
    await delay(random.between(0, 60));
    return held;
  });
  await finishAll(run, office, campaigns);
  score.sentAfterPause += await countCalls(arena.place, [silence]);
}

/** One of them is on its way to PAUSED, and it may be known to nobody but the API. */
async function untilPausing(office: Office, campaigns: readonly Launched[]): Promise<undefined> {
  await until('a pause has begun', async () => {
    const views = await Promise.all(campaigns.map((each) => look(office, each)));
    return views.some((view) => view?.state === 'PAUSING' || view?.state === 'PAUSED');
  });
}

async function finishAll(run: Run, office: Office, campaigns: readonly Launched[]): Promise<void> {
  for (const campaign of campaigns) await untilFinished(office, campaign, STEP_WITHIN_MS);
  await settleUp(run, office, campaigns);
}

export const apiScenarios: readonly Scenario[] = [
  {
    name: 'api-killed-upload',
    about:
      'SIGKILL for the API in the middle and at the end of uploads; the client repeats with its key.',
    run: killDuringUpload,
  },
  {
    name: 'api-killed-approval',
    about: 'The same during approvals: each opens one execution.',
    run: killDuringApproval,
  },
  {
    name: 'api-killed-pause',
    about: 'The same during pauses and resumes of campaigns that are being sent.',
    run: killDuringPause,
  },
];
