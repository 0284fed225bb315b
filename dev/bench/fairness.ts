import { Client } from 'pg';
import { openInstallation, type Installation } from '../chaos/installation';
import { until } from '../chaos/until';
import { SANDBOX_TOKEN } from '../sandbox/index';
import type { FairnessBenchOptions } from './options/fairness';
import { approve, createCampaign, createScene, type Scene } from './scene';

export interface FairnessReport {
  large: number;
  small: number;
  companies: number;
  /** The longest of the small campaigns from its approval to its end: without the large one, and beside it. */
  aloneMs: number;
  besideMs: number;
  ratio: number;
  /** What the large campaign sent a second meanwhile. */
  largePerSecond: number;
}

const LOOK_MS = 20;
const WITHIN_MS = 300_000;
const SIZE = { lanes: 16, batchSize: 1_000 };

/** Nine companies with a thousand people each: how much longer they take while a tenth sends to a million. */
export async function runFairnessBench(
  { large, small, companies, workers }: FairnessBenchOptions,
  say: (line: string) => void,
): Promise<FairnessReport> {
  const installation = await openInstallation({ sandbox: { numberRules: false }, onProgress: say });
  const admin = new Client({ connectionString: installation.adminUrl });
  try {
    await admin.connect();
    const started = await Promise.all(
      Array.from({ length: workers }, () => installation.startWorker()),
    );
    await Promise.all(started.map((worker) => worker.untilReady()));
    const scenes = await openScenes(installation, companies + 1);
    const [giant, ...others] = scenes;
    if (giant === undefined) throw new Error('There is no company.');
    const send = (): Promise<number> => longestMs(installation, admin, others, small);
    say('Everything is tried once');
    await send();
    say('The small campaigns alone');
    const aloneMs = await send();
    say(`A campaign of ${large.toLocaleString('en')} begins`);
    const campaign = await createCampaign(installation.db, giant, large);
    await admin.query('VACUUM (ANALYZE) campaign_recipients');
    const executionId = await approve(installation.db, giant, campaign, SIZE);
    const isUnderWay = async () => (await sentBy(admin, executionId)) >= large / 20;
    await until('the large campaign is under way', isUnderWay, WITHIN_MS, LOOK_MS);
    const before = await sentBy(admin, executionId);
    say('The small campaigns beside it');
    const besideMs = await send();
    const after = await sentBy(admin, executionId);
    if (after >= large) throw new Error('The large campaign had ended: give it more people.');
    return {
      large,
      small,
      companies,
      aloneMs: Math.round(aloneMs),
      besideMs: Math.round(besideMs),
      ratio: Math.round((besideMs / aloneMs) * 100) / 100,
      largePerSecond: Math.round((after - before) / (besideMs / 1_000)),
    };
  } finally {
    await admin.end().catch(() => undefined);
    await installation.stop();
  }
}

function openScenes({ db, encryption, sandbox }: Installation, count: number): Promise<Scene[]> {
  const account = { url: sandbox.url, token: SANDBOX_TOKEN, connections: 64 };
  return Promise.all(Array.from({ length: count }, () => createScene(db, encryption, account)));
}

/** From the approval of all to the end of the last. */
async function longestMs(
  { db }: Installation,
  admin: Client,
  scenes: readonly Scene[],
  people: number,
): Promise<number> {
  const campaigns = await Promise.all(scenes.map((scene) => createCampaign(db, scene, people)));
  const began = performance.now();
  const executions = await Promise.all(
    scenes.map((scene, i) => {
      const campaign = campaigns[i];
      if (campaign === undefined) throw new Error('Every company has a campaign.');
      return approve(db, scene, campaign, SIZE);
    }),
  );
  const haveEnded = async (): Promise<boolean> => {
    const { rows } = await admin.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM campaign_executions WHERE id = ANY ($1) AND state = 'FINISHED'`,
      [executions],
    );
    return rows[0]?.n === executions.length;
  };
  await until('the small campaigns have ended', haveEnded, WITHIN_MS, LOOK_MS);
  return performance.now() - began;
}

async function sentBy(admin: Client, executionId: string): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    'SELECT coalesce(sum(sent), 0)::int AS n FROM dispatch_batches WHERE execution_id = $1',
    [executionId],
  );
  return rows[0]?.n ?? 0;
}
