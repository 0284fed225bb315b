import { openDatabase } from '../prisma/client';
import { metricsText } from '../telemetry/metrics';
import { gateReason, resultReason, stopReason } from '../telemetry/reasons';
import { scrape } from '../telemetry/scrape';
import { startTestApi, type TestApi } from './support/api';
import { createScene, openTestExecution } from './support/executions';
import { query, withClient } from './support/database';
import { closedForAnHour, openWorkshop, type Workshop } from './support/turns';
import { until } from './support/until';

const PROMETHEUS_WAITS_MS = 10_000;

/** The series of a metric with these labels, and its value; undefined where there is none. */
function valueOf(
  text: string,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const line = text
    .split('\n')
    .find(
      (each) =>
        (each.startsWith(`${name}{`) || each.startsWith(`${name} `)) &&
        wanted.every((label) => each.includes(label)),
    );
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')));
}

// First: figures that were read are kept for seconds.
test('a database that is down is a figure, and no error', async () => {
  const down = openDatabase({ url: 'postgresql://nobody:x@127.0.0.1:1/nothing' });
  const { body, status } = await scrape(down);
  await down.close();
  expect(status).toBe(200);
  expect(valueOf(body, 'regente_database_up')).toBe(0);
  // What nobody could read is no 0, which would be an alert.
  expect(valueOf(body, 'regente_ledger_months_ahead')).toBeUndefined();
  expect(valueOf(body, 'regente_executions')).toBeUndefined();
});

test('a process that has no database yet says nothing of it', async () => {
  const { body, status } = await scrape(undefined);
  expect(status).toBe(200);
  expect(body).toContain('regente_loop_failures_total');
  expect(body).not.toMatch(/^regente_(database_up|ledger_months_ahead|outbox_due)/m);
});

test('an engine’s client that does not say what it has counted takes nothing else away', async () => {
  const silent = (): Promise<string> => Promise.reject(new Error('the client does not answer'));
  const { body, status } = await scrape(undefined, silent);
  expect(status).toBe(200);
  expect(body).toContain('regente_loop_failures_total');
});

describe('requests', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api.close());

  test('are counted by the pattern of their route, whatever ids and secrets the path has', async () => {
    const { agent } = api.first;
    const id = '0197a3c4-1111-7abc-8def-0123456789ab';
    await api.request('GET', `/v1/campaigns/${id}`, { as: agent });
    await api.request('GET', '/v1/campaigns', { as: agent });
    await api.request('POST', '/v1/webhooks/sandbox/very-secret-token');
    await api.request('GET', `/nowhere/${id}`);
    await api.request('GET', '/v1/campaigns');
    await api.request('GET', '/v1/wallets', { as: { token: `rgs_${'0'.repeat(43)}` } });
    const text = await metricsText();
    const count = (method: string, route: string, status: string): number | undefined =>
      valueOf(text, 'regente_http_request_duration_seconds_count', { method, route, status });
    expect(count('GET', '/v1/campaigns/:id', '4xx')).toBe(1);
    expect(count('GET', '/v1/campaigns', '2xx')).toBe(1);
    expect(count('GET', '/v1/campaigns', '4xx')).toBe(1);
    expect(count('POST', '/v1/webhooks/:provider/:token', '4xx')).toBe(1);
    expect(count('GET', '/v1/wallets', '4xx')).toBe(1);
    expect(count('GET', 'none', '4xx')).toBe(1);
    expect(text).not.toMatch(/secret|0197a3c4/);
  });
});

describe('a campaign', () => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await openWorkshop();
  });
  afterAll(() => shop.drop());

  test('is counted by provider, state and reason as it is sent', async () => {
    shop.sandbox.configure({ rates: { reject: 0.3 } });
    const scene = await createScene(shop);
    const executionId = await openTestExecution(shop, scene, { recipients: 120, lanes: 1 });
    await shop.activities.startExecution({ companyId: scene.companyId, executionId });
    await shop.workOff({ companyId: scene.companyId, executionId });
    const rows = await query<{ state: string; count: number }>(
      shop.adminUrl,
      'SELECT state, count(*)::int AS count FROM communications WHERE source_id = $1 GROUP BY 1',
      [executionId],
    );
    const text = await metricsText();
    const provider = 'sandbox';
    for (const { state, count } of rows) {
      const reason = state === 'failed' ? 'vendor_code' : 'none';
      expect([state, valueOf(text, 'regente_messages_total', { provider, state, reason })]).toEqual(
        [state, count],
      );
    }
    expect(rows.map(({ state }) => state).sort()).toEqual(['failed', 'sent']);
    expect(
      valueOf(text, 'regente_provider_batch_duration_seconds_count', { provider }),
    ).toBeGreaterThanOrEqual(3);
    expect(valueOf(text, 'regente_state_changes_total', { verb: 'start' })).toBe(1);
  });

  test('counts whom the gate holds back by reason, and who is deferred apart from who is skipped', async () => {
    const scene = await createScene(shop);
    const { companyId } = scene;
    const addresses = ['+5511955550000', '+5511955550001', '+5511955550002'];
    const [blocked, optedOut] = addresses;
    await query(
      shop.adminUrl,
      `INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2)`,
      [companyId, blocked],
    );
    await query(
      shop.adminUrl,
      `INSERT INTO opt_outs (company_id, channel, address) VALUES ($1, 'sms', $2)`,
      [companyId, optedOut],
    );
    const spec = { recipients: 40, lanes: 1, addresses };
    const executionId = await openTestExecution(shop, scene, spec);
    await query(
      shop.adminUrl,
      `UPDATE campaign_recipients r SET time_zone = 'Asia/Tokyo',
         skip_reason = CASE WHEN r.position < 6 THEN 'missing_variable:valor' END
       FROM campaign_executions e WHERE e.id = $1 AND r.audience_id = e.audience_id AND r.position BETWEEN 3 AND 9`,
      [executionId],
    );
    const plan = { quietHours: closedForAnHour('Asia/Tokyo'), timeZones: ['Asia/Tokyo'] };
    await query(shop.adminUrl, 'UPDATE campaign_executions SET plan = plan || $2 WHERE id = $1', [
      executionId,
      JSON.stringify(plan),
    ]);
    await shop.activities.startExecution({ companyId, executionId });
    await shop.turns({ companyId, executionId });
    const text = await metricsText();
    const gated = (state: string, reason: string): number | undefined =>
      valueOf(text, 'regente_gated_people_total', { provider: 'sandbox', state, reason });
    expect(gated('skipped', 'blocklist')).toBe(1);
    expect(gated('skipped', 'opt_out')).toBe(1);
    expect(gated('skipped', 'missing_variable')).toBe(3);
    expect(gated('queued', 'send_window')).toBe(4);
  });

  test('shows in the backlog of the installation while it is open, and a database that is slow holds up no answer', async () => {
    const scene = await createScene(shop);
    await openTestExecution(shop, scene, { recipients: 70 });
    // The read waits until the lock is gone.
    const scrapeSlow = () =>
      withClient(shop.adminUrl, async (holder) => {
        await holder.query('BEGIN; LOCK TABLE campaign_executions');
        const beganAt = performance.now();
        const answer = await scrape(shop.db, undefined, 0);
        expect(performance.now() - beganAt).toBeLessThan(PROMETHEUS_WAITS_MS);
        return answer;
      });
    const slow = await scrapeSlow();
    expect(slow.status).toBe(200);
    expect(valueOf(slow.body, 'regente_database_up')).toBe(0);
    expect(valueOf(slow.body, 'regente_ledger_months_ahead')).toBeUndefined();
    expect(slow.body).toContain('regente_loop_failures_total');
    let body = '';
    let status = 0;
    await until('the figures are read', async () => {
      ({ body, status } = await scrape(shop.db));
      return valueOf(body, 'regente_database_up') === 1;
    });
    expect(status).toBe(200);
    expect(valueOf(body, 'regente_executions', { state: 'PENDING', reason: 'none' })).toBe(1);
    // Slow again, it is not taken for one that is down: what was read a moment ago is said.
    ({ body } = await scrapeSlow());
    expect(valueOf(body, 'regente_database_up')).toBe(1);
    expect(valueOf(body, 'regente_executions', { state: 'PENDING', reason: 'none' })).toBe(1);
    expect(valueOf(body, 'regente_execution_people', { state: 'waiting' })).toBe(70);
    expect(valueOf(body, 'regente_ledger_months_ahead')).toBe(4);
    for (const level of ['below_80', 'from_80', 'from_95', 'exhausted'])
      expect(valueOf(body, 'regente_budgets', { level })).toBeGreaterThanOrEqual(0);
  });
});

test('no code of a vendor and no word of a person becomes a label', () => {
  const codes = ['no_whatsapp', 'blocked +5511987654321', 'HTTP_418', 'ECONNREFUSED', undefined];
  expect(codes.map(resultReason)).toEqual([
    'vendor_code',
    'vendor_code',
    'http_4xx',
    'network',
    'none',
  ]);
  expect(resultReason('constructor')).toBe('vendor_code');
  expect(['blocklist', 'missing_variable:valor', 'a wish of Ana'].map(gateReason)).toEqual([
    'blocklist',
    'missing_variable',
    'other',
  ]);
  expect(['budget_exhausted', 'a wish of Ana', null].map(stopReason)).toEqual([
    'budget_exhausted',
    'other',
    'none',
  ]);
});
