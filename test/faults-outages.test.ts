import { randomUUID } from 'node:crypto';
import {
  createDraft,
  launch,
  openOffice,
  untilAccepted,
  untilFinished,
  type Launched,
  type Office,
} from '../dev/chaos/campaign';
import { openInstallation, type Installation } from '../dev/chaos/installation';
import type { RegenteProcess } from '../dev/chaos/processes';
import { judge } from '../dev/chaos/verdict';
import { SESSION_PREFIX } from '../prisma/tokens';
import { expectBooksAgree } from './support/books';
import { withClient } from './support/database';
import { until } from './support/until';

/** Nothing of a process that is gone may keep the others waiting for long. */
const HASTE = {
  DISPATCH_LANES: '2',
  DISPATCH_BATCH_SIZE: '100',
  DISPATCH_MICRO_BATCH: '20',
  DISPATCH_LEASE_MS: '1000',
  PROVIDER_TIMEOUT_MS: '1000',
};
/** Of a shape that has to be looked for in the database. */
const TOKEN = `${SESSION_PREFIX}${'n'.repeat(43)}`;
const ASKED = [
  ['GET', '/v1/campaigns'],
  ['POST', '/v1/campaigns'],
  ['GET', '/v1/me'],
  ['POST', '/v1/webhooks/sandbox/nobody'],
] as const;
const SILENT = 'does not answer';

let place: Installation;
let office: Office;
let api: RegenteProcess;
let worker: RegenteProcess;
jest.setTimeout(90_000);
// A fresh machine builds the engine here.
beforeAll(async () => {
  place = await openInstallation({
    sandbox: { latency: { kind: 'fixed', ms: 50 } },
    settings: HASTE,
  });
  [api, worker] = await Promise.all([place.startApi(), place.startWorker()]);
  await Promise.all([api.untilReady(), worker.untilReady()]);
  office = await openOffice(place);
}, 900_000);
beforeEach(() => place.sandbox.reset());
afterEach(() => expectBooksAgree(place));
afterAll(() => place.stop());

async function expectWhole(campaign: Launched): Promise<void> {
  await untilFinished(office, campaign);
  const { counts, wrong } = await judge(place, office, campaign);
  expect(wrong).toEqual([]);
  expect(counts).toMatchObject({ sent: campaign.recipients, unknown: 0, failed: 0 });
}

/** Waits until the process, which lives, says this about its parts: a look is short, and a busy machine may miss one. */
async function expectReadiness(
  process: RegenteProcess,
  checks: Record<string, string>,
  status = 503,
): Promise<void> {
  expect((await fetch(`${process.url}/healthz`)).status).toBe(200);
  let seen: unknown;
  const wanted = JSON.stringify({ status, checks });
  await until('/readyz says so', async () => {
    seen = await process.readiness();
    return JSON.stringify(seen) === wanted;
  }).catch(() => expect(seen).toEqual({ status, checks }));
}

const ALL_WELL = { database: 'ok', engine: 'ok' };

/** The answer to somebody whom only the database could tell that nobody knows them. */
async function call(method: string, path: string) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
  const body = method === 'GET' ? {} : { body: '{}' };
  const response = await fetch(`${place.apiUrl}${path}`, { method, headers, ...body });
  const problem = (await response.json()) as Record<string, unknown>;
  return { status: response.status, type: response.headers.get('content-type'), problem };
}

/** Reads and writes through the API without a pause, until told to stop; answers what it has heard instead of a yes. */
function work({ id }: Launched, draftId: string): () => Promise<Set<string>> {
  const refusals = new Set<string>();
  const over = new AbortController();
  const { operator } = office;
  const ask = async (request: () => Promise<unknown>): Promise<void> => {
    while (!over.signal.aborted) {
      await request().catch((error: unknown) => {
        refusals.add(/answered (\d+)/.exec(String(error))?.[1] ?? String(error));
      });
    }
  };
  const running = Promise.all([
    ask(() => operator.get(`/v1/campaigns/${id}`)),
    ask(() => operator.get('/v1/campaigns?limit=5')),
    ask(() => operator.request('PATCH', `/v1/campaigns/${draftId}`, { name: randomUUID() })),
  ]);
  return async () => {
    over.abort();
    await running;
    return refusals;
  };
}

test('a worker that is killed in the middle loses nobody, sends nobody two, and costs to the cent', async () => {
  const campaign = await launch(office, 1_000);
  await untilAccepted(place, 200);
  await worker.kill();
  worker = await place.startWorker();
  await expectWhole(campaign);
});

test('a worker that is killed while it ends a campaign is missed within seconds', async () => {
  const campaign = await launch(office, 300);
  const { executionId } = campaign;
  await untilAccepted(place, 20);
  await withClient(place.adminUrl, async (holder) => {
    // Shared with the marks, so that everybody is sent and nobody can change the state.
    await holder.query('SELECT pg_advisory_lock_shared(execution_lock($1))', [executionId]);
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
    await until('the end waits', async () => {
      const { accepted } = await place.sandbox.totals();
      return accepted > 300 && (await holder.query(waiting)).rowCount !== 0;
    });
    await worker.kill();
  });
  worker = await place.startWorker();
  await untilFinished(office, campaign, 30_000);
  await expectWhole(campaign);
});

test('a database that is killed in the middle is said by all, and the campaign goes on when it is back', async () => {
  const campaign = await launch(office, 1_000);
  await untilAccepted(place, 200);
  const draft = await createDraft(office);
  const end = work(campaign, draft.id);
  await place.stack.postgres.kill();
  for (const process of [api, worker])
    await expectReadiness(process, { database: SILENT, engine: 'ok' });
  for (const [method, path] of ASKED) {
    expect([path, await call(method, path)]).toMatchObject([
      path,
      {
        status: 503,
        type: 'application/problem+json',
        problem: { code: 'UNAVAILABLE', component: 'database', status: 503 },
      },
    ]);
  }
  await place.stack.revive();
  await expectWhole(campaign);
  for (const process of [api, worker]) await expectReadiness(process, ALL_WELL, 200);
  // Nothing in between was taken for a fault of ours.
  expect([...(await end())]).toEqual(['503']);
});

test('an engine that is killed in the middle is said by all and takes nothing from the API, and work goes on when it is back', async () => {
  const running = await launch(office, 1_000);
  await untilAccepted(place, 200);
  await place.stack.engine.kill();
  const checks = { database: 'ok', engine: SILENT };
  await expectReadiness(worker, checks);
  // It serves, and nothing that follows /readyz may take it away.
  await expectReadiness(api, checks, 200);
  const paused = await office.supervisor.post(`/v1/campaigns/${running.id}/pause`);
  expect(paused).toMatchObject({ state: 'PAUSED' });
  await office.supervisor.post(`/v1/campaigns/${running.id}/resume`);
  const approved = await launch(office, 200);
  await place.stack.revive();
  await expectWhole(running);
  await expectWhole(approved);
  for (const process of [api, worker]) await expectReadiness(process, ALL_WELL, 200);
});

test.each([
  ['the database is', ['postgres'], { database: SILENT, engine: 'ok' }],
  ['both servers are', ['postgres', 'engine'], { database: SILENT, engine: SILENT }],
] as const)(
  'API and worker that are started while %s down say so, and work when they are back',
  async (_, down, checks) => {
    await Promise.all([api.stop(), worker.stop()]);
    await Promise.all(down.map((part) => place.stack[part].kill()));
    [api, worker] = await Promise.all([place.startApi(), place.startWorker()]);
    await until('both live', async () => {
      const answers = await Promise.all([api.readiness(), worker.readiness()]);
      return answers.every((answer) => answer !== null);
    });
    await expectReadiness(api, checks);
    await until('the worker says so', async () => (await worker.readiness())?.status === 503);
    await place.stack.revive();
    await Promise.all([api.untilReady(), worker.untilReady()]);
    await expectWhole(await launch(office, 50));
  },
);
