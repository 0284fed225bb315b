import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { Client } from 'pg';
import { ApiRefusal, type ApiClient } from '../../demo/http';
import { generateAudience } from '../../demo/example-csv';
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
import { holdLock } from '../locks';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { countCalls } from '../silence';
import { until } from '../until';

/** A write of a client that keeps its key: what was not answered is asked again, in the same words. */
interface Write<Answer> {
  send(): Promise<Answer>;
}

const withKey = <Answer>(
  client: ApiClient,
  send: (keyed: ApiClient) => Promise<Answer>,
): Write<Answer> => {
  const keyed = client.withKey(randomUUID());
  return { send: () => send(keyed) };
};

/** "Still running" and "not now"; a dead API gives no answer at all. */
const passes = (error: unknown): boolean =>
  error instanceof ApiRefusal ? [409, 429, 503].includes(error.status) : true;

/**
 * Sends all at once, kills the API at the moment, starts another one and repeats every write until it is answered.
 * @param moment resolves when the API is to die
 */
async function throughDeath<Answer>(
  { arena, score, say }: Run,
  writes: readonly Write<Answer>[],
  moment: () => Promise<unknown>,
): Promise<Answer[]> {
  const first = Promise.allSettled(writes.map(({ send }) => send()));
  await moment();
  await arena.api.kill();
  const unanswered = (await first).filter(({ status }) => status === 'rejected').length;
  score.hits += unanswered;
  say(`  api killed, ${unanswered} of ${writes.length} requests are without an answer`);
  const began = performance.now();
  await arena.replaceApi();
  const answers = await Promise.all(writes.map(repeatUntilAnswered));
  score.recovered(performance.now() - began);
  return answers;
}

async function repeatUntilAnswered<Answer>({ send }: Write<Answer>): Promise<Answer> {
  let answer: { value: Answer } | undefined;
  let last = 'nothing';
  await until(
    'a repeated request is answered',
    async () => {
      try {
        answer = { value: await send() };
        return true;
      } catch (error) {
        if (!passes(error)) throw error;
        last = String(error);
        await delay(500);
        return false;
      }
    },
    STEP_WITHIN_MS,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)} The last word was: ${last}`, { cause: error });
  });
  if (answer === undefined) throw new Error('No answer.');
  return answer.value;
}

/** The people of a scenario, shared out among so many campaigns. */
const shared = ({ recipients }: Run, campaigns: number): number[] =>
  Array.from({ length: campaigns }, () => Math.floor(recipients / campaigns));

async function killDuringUpload(run: Run): Promise<void> {
  const { random, score } = run;
  const office = await openSlowOffice(run, 5);
  const drafts = await Promise.all(
    shared(run, 4).map(async (recipients) => ({ ...(await createDraft(office)), recipients })),
  );
  const upload = (draft: { id: string; recipients: number }, file: () => Readable) =>
    withKey(office.operator, (keyed) => keyed.put(audiencePath(draft.id), file(), 'text/csv'));
  const [first, second, ...others] = drafts;
  if (first === undefined || second === undefined) throw new Error('No drafts.');

  // In the middle of two files, and again when the last byte of two others is on its way.
  const middle = announced(first.recipients, random.between(0.1, 0.9));
  await throughDeath(
    run,
    [upload(first, middle.file), upload(second, () => audienceFile(second.recipients))],
    () => middle.reached,
  );
  const end = announced(others[0]?.recipients ?? 0, 1);
  await throughDeath(
    run,
    others.map((draft, i) =>
      upload(draft, i === 0 ? end.file : () => audienceFile(draft.recipients)),
    ),
    () => end.reached.then(() => delay(random.between(0, 60))),
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

/** A file that says when so much of it has been read; the first time it is read. */
function announced(
  recipients: number,
  share: number,
): { file: () => Readable; reached: Promise<void> } {
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  async function* lines(): AsyncGenerator<string> {
    let sent = 0;
    const chunks = [...generateAudience(recipients, 7)].flatMap(
      (chunk) => chunk.match(/[^]{1,2048}/g) ?? [],
    );
    for (const chunk of chunks) {
      if (sent >= chunks.length * share) reach();
      yield chunk;
      sent += 1;
      // So that what was sent is on its way before the next part of it.
      await delay(1);
    }
    reach();
  }
  return { file: () => Readable.from(lines(), { objectMode: false }), reached };
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
  const lock = 'SELECT FROM campaigns WHERE id = ANY ($1) FOR UPDATE';
  const held = await holdLock(arena.place.adminUrl, lock, [half]);
  const approvals = submitted.map(({ id }) =>
    withKey(office.supervisor, (keyed) =>
      keyed.post<{ executionId: string }>(`/v1/campaigns/${id}/approve`),
    ),
  );
  const answers = await throughDeath(run, approvals, async () => {
    await held.waiter('api', 'campaigns');
    await delay(random.between(0, 60));
    // Not before the API is dead.
    void delay(500).then(() => held.release());
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
  const share = random.between(0.05, 0.2);
  await strikeAt(run, { share, total, what: 'pauses' }, async () => {
    await throughDeath(run, each('pause'), () => delay(random.between(20, 400)));
  });
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
  await throughDeath(run, each('resume'), () => delay(random.between(0, 60)));
  await finishAll(run, office, campaigns);
  score.sentAfterPause += await countCalls(arena.place, [silence]);
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
