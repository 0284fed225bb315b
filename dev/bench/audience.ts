import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openDatabase } from '../../prisma/client';
import { createApiKey } from '../../prisma/api-keys';
import { createEncryption } from '../../prisma/encryption';
import { migrate } from '../../prisma/migrate';
import { withTenant } from '../../prisma/tenant';
import { generateAudience } from '../demo/example-csv';
import { bootstrapDatabase } from '../stack/bootstrap';
import { temporaryFolder } from '../stack/folders';
import { startPostgres, type Postgres } from '../stack/postgres';
import { watchdog } from '../stack/watchdog';
import { startApiProcess, type ApiProcess } from './api-process';
import type { AudienceBenchOptions } from './options/audience';
import { processorSeconds, processorSecondsWithChildren } from './processor-time';
import { buildProduction } from './production-build';
import { createScene } from './scene';

export interface AudienceReport {
  rows: number;
  rowsPerSecond: number;
  /** The API process's peak, less its peak with a file of a thousand rows; null where the system does not say. */
  rssGrowthMb: number | null;
  /** Processor time meanwhile, which says more than the speed where other work keeps the machine busy; null likewise. */
  apiCpuMs: number | null;
  postgresCpuMs: number | null;
}

/** Uploaded first: what any upload takes, in memory too. */
const SMALL_ROWS = 1_000;
const MESSAGE = 'Olá {{primeiro_nome}}, temos uma proposta de {{valor}} para você. Responda SIM.';

/**
 * Uploads a file of invented people over HTTP to the production build of the API, a process of its own, on an embedded
 * PostgreSQL, and measures until its answer: everybody read, checked, weighed with the message and committed.
 */
export async function runAudienceBench(
  { rows, durable, profileDir }: AudienceBenchOptions,
  say: (line: string) => void,
): Promise<AudienceReport> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const folder = await temporaryFolder();
    watchdog().removeLater(folder);
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const { appUrl, postgres } = await startDatabase(folder, durable);
    stops.push(() => postgres.stop());
    const encryptionKey = randomBytes(32);
    say('Building the API');
    const startFile = await buildProduction(join(folder, 'app'));
    const api = await startApiProcess(
      startFile,
      { DATABASE_URL: appUrl, ENCRYPTION_KEY: encryptionKey.toString('base64') },
      profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileDir)}`],
    );
    stops.push(() => api.stop());
    const client = await createClient(api, appUrl, encryptionKey);
    const servers = { api, postgres };
    const small = await measure(servers, client, join(folder, 'small.csv'), SMALL_ROWS);
    say(`Uploading ${rows.toLocaleString('en')} rows`);
    const large = await measure(servers, client, join(folder, 'large.csv'), rows);
    const report = {
      rows,
      rowsPerSecond: Math.round(rows / large.seconds),
      rssGrowthMb:
        small.peakMb === null || large.peakMb === null
          ? null
          : Math.max(0, Math.round(large.peakMb - small.peakMb)),
      apiCpuMs: large.apiCpuMs,
      postgresCpuMs: large.postgresCpuMs,
    };
    say(
      `${report.rowsPerSecond.toLocaleString('en')} rows/s (${large.seconds.toFixed(1)} s), ` +
        `RSS growth ${report.rssGrowthMb ?? 'unknown'} MB, processor time ${report.apiCpuMs ?? 'unknown'} ms of the API ` +
        `and ${report.postgresCpuMs ?? 'unknown'} ms of PostgreSQL`,
    );
    return report;
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

interface Measured {
  seconds: number;
  peakMb: number | null;
  apiCpuMs: number | null;
  postgresCpuMs: number | null;
}

async function measure(
  { api, postgres }: { api: ApiProcess; postgres: Postgres },
  client: Uploader,
  path: string,
  rows: number,
): Promise<Measured> {
  await pipeline(Readable.from(generateAudience(rows, 7)), createWriteStream(path));
  const memory = api.watchMemory();
  try {
    const apiCpu = watchCpu(() => processorSeconds(api.pid));
    const postgresCpu = watchCpu(() => processorSecondsWithChildren(postgres.pid));
    const began = performance.now();
    await client.upload(path, rows);
    return {
      seconds: (performance.now() - began) / 1_000,
      peakMb: memory.end(),
      apiCpuMs: apiCpu(),
      postgresCpuMs: postgresCpu(),
    };
  } finally {
    memory.end();
  }
}

/** Answers the milliseconds since. */
function watchCpu(read: () => number | null): () => number | null {
  const before = read();
  return () => {
    const now = read();
    return now === null || before === null ? null : Math.round((now - before) * 1_000);
  };
}

async function startDatabase(
  folder: string,
  durable: boolean,
): Promise<{ appUrl: string; postgres: Postgres }> {
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    logFile: join(folder, 'postgres.log'),
    durable,
  });
  const urls = await bootstrapDatabase({
    adminUrl: postgres.url,
    name: 'regente',
    ownerPassword: randomBytes(12).toString('hex'),
    appPassword: randomBytes(12).toString('hex'),
  });
  await migrate(urls);
  return { appUrl: urls.appUrl, postgres };
}

interface Uploader {
  /** Into a campaign of its own; throws unless everybody is in its audience. */
  upload(path: string, rows: number): Promise<void>;
}

async function createClient(
  api: ApiProcess,
  appUrl: string,
  encryptionKey: Buffer,
): Promise<Uploader> {
  const db = openDatabase({ url: appUrl });
  const account = { url: 'http://127.0.0.1:1', token: 'none', connections: 1 };
  const scene = await createScene(db, createEncryption([encryptionKey]), account);
  const { companyId, walletId, brokerId } = scene;
  const { key } = await withTenant(db, companyId, (tx) =>
    createApiKey(tx, {
      companyId,
      createdBy: null,
      name: 'Medição',
      scopes: ['campaigns:read', 'campaigns:write'],
      expiresAt: null,
    }),
  );
  await db.close();
  const headers = { authorization: `Bearer ${key}` };
  return {
    async upload(path, rows) {
      const campaign = await send(`${api.url}/v1/campaigns`, 'POST', headers, {
        type: 'application/json',
        body: Readable.from([
          JSON.stringify({ name: 'Medição', baseMessage: MESSAGE, walletId, brokerId }),
        ]),
      });
      const audience = await send(
        `${api.url}/v1/campaigns/${String(campaign['id'])}/audience`,
        'PUT',
        headers,
        {
          type: 'text/csv',
          body: createReadStream(path, { highWaterMark: 256 * 1024 }),
        },
      );
      if (audience['recipients'] !== rows)
        throw new Error(`Not everybody was loaded: ${JSON.stringify(audience)}`);
    },
  };
}

/** Answers the JSON of a good answer; throws any other. */
async function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  { type, body }: { type: string; body: Readable },
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method, headers: { ...headers, 'content-type': type } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          if ((response.statusCode ?? 500) < 300)
            resolve(JSON.parse(text) as Record<string, unknown>);
          else reject(new Error(`${method} ${url} answered ${response.statusCode}: ${text}`));
        });
      },
    );
    pipeline(body, call).catch(reject);
  });
}
