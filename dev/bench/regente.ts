import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig, type Config } from '../../config';
import { openDatabase, type Database } from '../../prisma/client';
import { createEncryption } from '../../prisma/encryption';
import { logTail, startServer, type ServerProcess } from '../stack/server-process';
import { WORKER_NAME } from './connections';
import type { Contender, Run } from './contender';
import { readLedger } from './ledger';
import type { DispatchBenchOptions } from './options/dispatch';
import { NODE_FLAGS } from './node-flags';
import { buildProduction } from './production-build';
import { approve, createCampaign, createScene, type Scene } from './scene';
import { beginSizing } from './sizing';
import type { Stage } from './stage';
import type { VendorAccount } from './vendor-client';

const LOOK_MS = 100;
/** No machine is slower than this; a run that takes longer stands still. */
const SLOWEST_PER_SECOND = 50;
const START_MS = 120_000;

interface WorkerProcess extends ServerProcess {
  logFile: string;
}

/** Regente as it runs in production: built, its workers in their own processes, everything on. */
export async function regente(
  stage: Stage,
  account: VendorAccount,
  options: DispatchBenchOptions,
): Promise<Contender> {
  const env = environment(stage, options);
  const config = loadConfig(env);
  const startFile = await buildProduction(join(stage.dir, 'app'));
  let starts = 0;
  return {
    name: 'Regente',
    async start() {
      const db = openDatabase({ url: stage.appUrl });
      const workers: WorkerProcess[] = [];
      const stop = async (): Promise<void> => {
        await Promise.all(workers.map((worker) => worker.stop()));
        await db.close();
      };
      try {
        const scene = await createScene(db, createEncryption(config.ENCRYPTION_KEY), account);
        for (let index = 0; index < options.workers; index += 1) {
          starts += 1;
          const logFile = join(stage.dir, `worker-${starts}.log`);
          workers.push(await startWorker(startFile, env, logFile, options.profileDir));
        }
        const team = { stage, db, scene, config, workers };
        return { run: (recipients) => run(team, recipients), stop };
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

function environment(stage: Stage, options: DispatchBenchOptions): Record<string, string> {
  const { lanes, batchSize, microBatch } = options;
  const databaseUrl = new URL(stage.appUrl);
  databaseUrl.searchParams.set('application_name', WORKER_NAME);
  return {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: databaseUrl.href,
    TEMPORAL_ADDRESS: stage.temporalAddress,
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'warn',
    ...(lanes === null ? {} : { DISPATCH_LANES: String(lanes) }),
    ...(batchSize === null ? {} : { DISPATCH_BATCH_SIZE: String(batchSize) }),
    ...(microBatch === null ? {} : { DISPATCH_MICRO_BATCH: String(microBatch) }),
  };
}

async function startWorker(
  startFile: string,
  env: Record<string, string>,
  logFile: string,
  profileDir: string | null,
): Promise<WorkerProcess> {
  const flags = [...NODE_FLAGS];
  if (profileDir !== null) flags.push('--cpu-prof', '--cpu-prof-dir', resolve(profileDir));
  if (profileDir !== null) await mkdir(profileDir, { recursive: true });
  const server = await startServer({
    command: process.execPath,
    args: [...flags, startFile, 'worker'],
    cwd: resolve(startFile, '..'),
    // Two workers on one machine would want the same port for their health.
    env: { ...env, WORKER_HEALTH_PORT: '0' },
    user: null,
    logFile,
    stopSignal: 'SIGTERM',
  });
  return { ...server, logFile };
}

interface Team {
  stage: Stage;
  db: Database;
  scene: Scene;
  config: Config;
  workers: readonly WorkerProcess[];
}

async function run(team: Team, recipients: number): Promise<Run> {
  const { stage, db, scene, config, workers } = team;
  const sizing = await beginSizing(stage, db, workers);
  const campaign = await createCampaign(db, scene, recipients);
  // As it would be by the time somebody has approved.
  await stage.admin.query('VACUUM (ANALYZE) campaign_recipients, blocklist_entries, opt_outs');
  await stage.admin.query('CHECKPOINT');
  const sending = await sizing.sending({ ...scene, ...campaign });
  const executionId = await approve(db, scene, campaign, {
    lanes: config.DISPATCH_LANES,
    batchSize: config.DISPATCH_BATCH_SIZE,
  });
  await finished(team, executionId, recipients);
  const cost = await sending.end(executionId, recipients);
  const { sent, duplicated, processingMs, figures } = await readLedger(stage.admin, executionId);
  return {
    elapsedMs: processingMs,
    lost: recipients - sent,
    duplicated,
    ledger: { ...figures, workerRssMb: largestRssMb(workers) },
    sizing: cost,
  };
}

async function finished(
  { stage, workers }: Team,
  executionId: string,
  recipients: number,
): Promise<void> {
  const deadline = performance.now() + START_MS + (recipients / SLOWEST_PER_SECOND) * 1_000;
  for (;;) {
    const { rows } = await stage.admin.query<{ state: string; state_reason: string | null }>(
      'SELECT state, state_reason FROM campaign_executions WHERE id = $1',
      [executionId],
    );
    const { state, state_reason: reason } = rows[0] ?? { state: 'missing', state_reason: null };
    if (state === 'FINISHED') return;
    const dead = workers.find((worker) => worker.hasExited());
    if (dead !== undefined)
      throw new Error(`A worker has ended. Its log ends with:\n${logTail(dead.logFile)}`);
    if (state !== 'PENDING' && state !== 'PROCESSING')
      throw new Error(`The campaign is ${state} (${reason ?? 'no reason'}).`);
    if (performance.now() > deadline) throw new Error(`The campaign is still ${state}.`);
    await delay(LOOK_MS);
  }
}

/** The peak of the largest worker so far, from the kernel's own high-water mark. */
function largestRssMb(workers: readonly WorkerProcess[]): number | null {
  const peaks = workers.map(({ pid }) => {
    try {
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(
        readFileSync(`/proc/${pid}/status`, 'utf8'),
      )?.[1];
      return kilobytes === undefined ? null : Number(kilobytes) / 1_024;
    } catch {
      return null;
    }
  });
  return peaks.some((peak) => peak === null) ? null : Math.max(...peaks.map((peak) => peak ?? 0));
}
