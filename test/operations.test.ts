import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import {
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
import { apiClient } from '../dev/demo/http';
import { SANDBOX_TOKEN } from '../dev/sandbox/index';
import { CORE_QUEUE } from '../workflows/task-queues';
import { expectBooksAgree } from './support/books';
import { startCollector, type CollectedSpan, type Collector } from './support/collector';
import { query } from './support/database';
import { FOREIGN_LABELS } from './support/foreign-metrics';
import { until } from './support/until';

/** Everything is written down, so that what must not be there would be found. */
const SETTINGS = {
  LOG_LEVEL: 'trace',
  DISPATCH_LANES: '2',
  DISPATCH_BATCH_SIZE: '100',
  DISPATCH_MICRO_BATCH: '20',
  // Long enough for a busy machine to look in between.
  API_DRAIN_MS: '5000',
};

let place: Installation;
let office: Office;
let collector: Collector;
let api: RegenteProcess;
let worker: RegenteProcess;
const processes: RegenteProcess[] = [];
jest.setTimeout(120_000);
// A fresh machine builds the engine here.
beforeAll(async () => {
  collector = await startCollector();
  place = await openInstallation({
    sandbox: { latency: { kind: 'fixed', ms: 50 } },
    settings: { ...SETTINGS, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  });
  [api, worker] = await Promise.all([place.startApi(), startWorker()]);
  processes.push(api);
  await Promise.all([api.untilReady(), worker.untilReady()]);
  office = await openOffice(place);
}, 900_000);
afterAll(async () => {
  await place.stop();
  await collector.stop();
});
afterEach(() => expectBooksAgree(place));

async function startWorker(): Promise<RegenteProcess> {
  const started = await place.startWorker();
  processes.push(started);
  return started;
}

async function expectWhole(campaign: Launched): Promise<void> {
  await untilFinished(office, campaign);
  const { counts, duplicated, wrong } = await judge(place, office, campaign);
  expect(wrong).toEqual([]);
  expect(duplicated).toBe(0);
  expect(counts).toMatchObject({ sent: campaign.recipients, unknown: 0, failed: 0 });
}

const linesOf = ({ logFile }: RegenteProcess): Record<string, unknown>[] =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function readText(url: string): Promise<string> {
  const answer = await fetch(url);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('text/plain');
  return answer.text();
}

test('a worker that is told to end finishes its calls, returns the rest, and ends with 0', async () => {
  const campaign = await launch(office, 1_000);
  await untilAccepted(place, 60);
  // It drains for as long as its calls take, so that a busy machine sees it.
  await place.sandbox.configure({ latency: { kind: 'fixed', ms: 3_000 } });
  const slowFrom = Date.now();
  await until('a slow call is under way', async () => {
    const { lastCallAt } = await place.sandbox.totals();
    return lastCallAt !== null && lastCallAt > slowFrom;
  });
  const beganAt = performance.now();
  process.kill(worker.pid, 'SIGTERM');
  await until('it says that it drains', async () => {
    const answer = await fetch(`${worker.url}/readyz`);
    const body: unknown = await answer.json();
    return answer.status === 503 && (body as { status: string }).status === 'draining';
  });
  expect(await worker.exited).toBe('exit status 0');
  expect(performance.now() - beganAt).toBeLessThan(8_000);
  const [left] = await query<{ sending: number; reserved: string; accepted: number }>(
    place.adminUrl,
    `SELECT (SELECT count(*)::int FROM communications WHERE state = 'sending') AS sending,
       (SELECT count(*)::int FROM communications WHERE state = 'sent') AS accepted,
       (SELECT sum(reserved) FROM budgets) AS reserved`,
  );
  const { accepted } = await place.sandbox.totals();
  expect(left).toMatchObject({ sending: 0, accepted });
  expect(Number(left?.reserved)).toBe(0);
  expect(accepted).toBeLessThan(campaign.recipients);
  await place.sandbox.configure({ latency: { kind: 'fixed', ms: 50 } });
  worker = await startWorker();
  await expectWhole(campaign);
});

test('an API that is told to end says so first and still answers, and ends with 0', async () => {
  process.kill(api.pid, 'SIGTERM');
  await until('it says that it drains', async () => {
    const answer = await fetch(`${api.url}/readyz`);
    return answer.status === 503 && (await answer.text()).includes('draining');
  });
  expect((await fetch(`${api.url}/v1/me`)).status).toBe(401);
  expect(await api.exited).toBe('exit status 0');
  api = await place.startApi();
  processes.push(api);
  await api.untilReady();
});

test('a campaign is one trace, from the request that approved it to the calls of the provider', async () => {
  await expectWhole(await launch(office, 100));
  const approval = (): CollectedSpan | undefined =>
    collector.spans.findLast(({ name }) => name === 'POST /v1/campaigns/:id/approve');
  const trace = (): CollectedSpan[] =>
    collector.spans.filter(({ traceId }) => traceId === approval()?.traceId);
  const named = (wanted: string): CollectedSpan[] => trace().filter(({ name }) => name === wanted);
  const idsOf = (spans: CollectedSpan[]): string[] => spans.map(({ spanId }) => spanId);
  await until('every span of it has come', () => {
    const known = idsOf(trace());
    return (
      named('provider send').length >= 5 &&
      trace().every(({ parentSpanId: parent }) => parent === undefined || known.includes(parent))
    );
  });
  const parentsOf = (wanted: string): unknown[] =>
    named(wanted).map(({ parentSpanId }) => parentSpanId);
  const services = (wanted: string): unknown[] => [
    ...new Set(named(wanted).map(({ service }) => service)),
  ];
  expect(trace().filter(({ parentSpanId }) => parentSpanId === undefined)).toEqual([approval()]);
  expect(parentsOf('tell execution')).toContain(approval()?.spanId);
  for (const name of ['readExecutionStatus', 'dispatchLane'])
    for (const parent of parentsOf(name)) expect(idsOf(named('tell execution'))).toContain(parent);
  for (const parent of parentsOf('provider send'))
    expect(idsOf(named('dispatchLane'))).toContain(parent);
  expect(approval()?.service).toBe('regente-api');
  expect(services('provider send')).toEqual(['regente-worker']);
});

test('an operator finds a campaign in the engine by company, campaign and state, with words about it', async () => {
  const campaign = await launch(office, 40);
  await expectWhole(campaign);
  const connection = await Connection.connect({ address: place.stack.temporalAddress });
  const { workflow } = new Client({ connection });
  const wanted = `RegenteCampaign = "${campaign.id}" AND RegenteState = "FINISHED"`;
  const found: string[] = [];
  await until('the engine lists it', async () => {
    for await (const { workflowId } of workflow.list({ query: wanted })) found.push(workflowId);
    return found.length > 0;
  });
  expect(found).toEqual([`campaign-dispatch:${campaign.executionId}`]);
  const { currentDetails } = await workflow
    .getHandle(found[0]!)
    .query<{ currentDetails: string }>('__temporal_workflow_metadata');
  expect(currentDetails).toContain(campaign.id);
  expect(currentDetails).toContain('FINISHED');
  await connection.close();
});

test('API and worker answer what they and the engine have counted', async () => {
  const { metricsPort } = linesOf(api).find(({ msg }) => msg === 'metrics listening') ?? {};
  const ofApi = await readText(`http://127.0.0.1:${Number(metricsPort)}/metrics`);
  expect(ofApi).toContain('regente_http_request_duration_seconds_bucket');
  expect((await fetch(`${api.url}/metrics`)).status).toBe(404);
  const ofWorker = await readText(`${worker.url}/metrics`);
  for (const text of [ofApi, ofWorker]) {
    expect(text).toMatch(/^regente_database_up 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  }
  expect(ofWorker).toMatch(
    /^regente_messages_total\{provider="sandbox",state="sent",reason="none"\} \d{3}/m,
  );
  expect(ofWorker).toMatch(
    /slots_available\{[^}]*task_queue="delivery",worker_type="ActivityWorker"/,
  );
  const names = [...ofWorker.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('what alerts and dashboard ask of Node and of the engine’s client is answered, failures after the first one', async () => {
  const connection = await Connection.connect({ address: place.stack.temporalAddress });
  const { workflow } = new Client({ connection });
  const [companyId, executionId] = [randomUUID(), randomUUID()];
  const start = (type: string, args: unknown[]) =>
    workflow.start(type, { workflowId: `${type}-${executionId}`, taskQueue: CORE_QUEUE, args });
  // An activity that finds nothing, and a workflow that nobody knows.
  const lost = [
    await start('campaignDispatch', [{ companyId, executionId }]),
    await start('nobodyKnows', []),
  ];
  const missing = async (): Promise<string[]> => {
    const lines = (await readText(`${worker.url}/metrics`)).split('\n');
    const isAnswered = ([name, labels]: [string, readonly string[]]): boolean =>
      lines.some(
        (line) =>
          new RegExp(`^${name}[{ ]`).test(line) &&
          labels.every((label) => new RegExp(`[{,]${label}="`).test(line)),
      );
    return Object.entries(FOREIGN_LABELS)
      .filter((entry) => !isAnswered(entry))
      .map(([name]) => name);
  };
  await until('all are there', async () => (await missing()).length === 0).catch(() => undefined);
  await Promise.all(lost.map((each) => each.terminate().catch(() => undefined)));
  await connection.close();
  expect(await missing()).toEqual([]);
});

test('neither logs nor traces nor metrics hold a name, an address, a document, a text or a secret', async () => {
  await place.sandbox.configure({ rates: { reject: 0.2, rateLimited: 0.1, error: 0.1 } });
  await untilFinished(office, await launch(office, 80));
  await place.sandbox.configure({ rates: { reject: 0, rateLimited: 0, error: 0 } });
  const { webhookUrl, webhookSecret } = office.account;
  await fetch(webhookUrl, { method: 'POST', body: '{"nome": "Ana Souza"}' });
  const nobody = { email: 'ana.souza@aurora.example', password: 'senha-errada-de-ana' };
  await apiClient(place.apiUrl, null)
    .post('/v1/sessions', nobody)
    .catch(() => undefined);
  const people = await query<Record<string, string | null>>(
    place.adminUrl,
    'SELECT nome, phone, cpf_cnpj, idcob_contrato, address FROM campaign_recipients',
  );
  const staff = await query<Record<string, string>>(
    place.adminUrl,
    'SELECT name, email FROM users',
  );
  const texts = (await place.sandbox.messages()).map(({ body }) => body);
  const secrets = [
    ...Object.values(nobody),
    SANDBOX_TOKEN,
    webhookSecret,
    new URL(webhookUrl).pathname.split('/').at(-1)!,
  ];
  const needles = [...people, ...staff].flatMap((row) => Object.values(row));
  const written = [
    ...processes.map(({ logFile }) => readFileSync(logFile, 'utf8')),
    ...collector.bodies,
    await readText(`${worker.url}/metrics`),
  ].join('\n');
  const wanted = new Set([...needles, ...texts, ...secrets].filter((each) => each !== null));
  expect(wanted.size).toBeGreaterThan(600);
  expect([...wanted].filter((each) => each.length > 3 && written.includes(each))).toEqual([]);
  expect(written).not.toMatch(/Bearer |"password"|\+55\d{10}/);
  const requests = linesOf(api).filter(({ msg }) => msg === 'request');
  expect(requests).toContainEqual(
    expect.objectContaining({
      method: 'POST',
      route: '/v1/webhooks/:provider/:token',
      status: 401,
      ms: expect.any(Number),
      requestId: expect.any(String),
    }),
  );
  expect(requests.some(({ actorId }) => typeof actorId === 'string')).toBe(true);
});
