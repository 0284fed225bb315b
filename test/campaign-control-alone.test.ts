import { randomUUID } from 'node:crypto';
import { transitionExecution } from '../prisma/campaign-executions';
import { claimBatch } from '../prisma/dispatch/batches';
import { markPeople, type MarkResult } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { startTestApi, type TestApi } from './support/api';
import { ok, startCampaigner, type Campaigner } from './support/campaigns';
import { withClient } from './support/database';
import { until } from './support/until';

/*
 * No engine and no worker run in this file: what is shown here needs neither.
 */

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

const LEASE_MS = 1_500;

/** A campaign under way, as the dispatch has begun it. */
async function processing(): Promise<{ id: string; executionId: string }> {
  const campaign = await own.approved();
  await withTenant(api.deps.db, own.tenant.companyId, (tx) =>
    transitionExecution(tx, { executionId: campaign.executionId, verb: 'start' }),
  );
  return campaign;
}

/** Takes people for calls as a worker does that is then never heard of again. */
async function mark(executionId: string, leaseMs = LEASE_MS): Promise<MarkResult> {
  const ref = { companyId: own.tenant.companyId, executionId };
  const claim = await claimBatch(api.deps.db, ref, 0, 0);
  if (claim.outcome !== 'claimed') throw new Error(`not claimed: ${claim.outcome}`);
  const batch = { ...ref, seq: claim.seq, attempt: claim.attempt };
  return markPeople(api.deps.db, batch, {
    markId: randomUUID(),
    limit: 5,
    leaseMs,
    credentialVersion: 1,
    closedZones: [],
    badRow: false,
  });
}

describe('a pause with no worker alive', () => {
  test('is PAUSED at once where nobody is being called', async () => {
    const { id, executionId } = await processing();
    const body = { reason: 'O cliente pediu' };
    const paused = await own.call('POST', `/${id}/pause`, own.approver, body);
    expect([paused.status, paused.body]).toEqual([200, { id, state: 'PAUSED', executionId }]);
    const { progress } = await ok(own.call('GET', `/${id}`, own.approver));
    expect(progress.waiting).toEqual({
      reason: 'paused',
      until: null,
      note: 'O cliente pediu',
      by: { id: own.approver.id, name: own.approver.name },
    });
    const audit = await auditOf(api.deps.db, own.tenant.companyId, id);
    expect(audit.map((each) => each.action).slice(-2)).toEqual([
      'campaign.pause',
      'campaign.paused',
    ]);
  });

  test('waits until the last marked call cannot begin any more, and no new one is marked', async () => {
    const { id, executionId } = await processing();
    expect(await mark(executionId)).toMatchObject({ outcome: 'marked', more: true });
    const leaseEnds = performance.now() + LEASE_MS;
    const paused = await own.call('POST', `/${id}/pause`, own.approver);
    expect([paused.status, paused.body.state]).toEqual([200, 'PAUSED']);
    expect(performance.now()).toBeGreaterThan(leaseEnds - 100);
    await expect(mark(executionId)).rejects.toThrow('not claimed: stopped');
  });

  test('asked for twice is one pause, and both are told when it is done', async () => {
    const { id, executionId } = await processing();
    await mark(executionId);
    const answers = await Promise.all([
      own.call('POST', `/${id}/pause`, own.approver),
      own.call('POST', `/${id}/pause`, own.tenant.director),
    ]);
    expect(answers.map(({ status, body }) => [status, body.state])).toEqual([
      [200, 'PAUSED'],
      [200, 'PAUSED'],
    ]);
    const audit = await auditOf(api.deps.db, own.tenant.companyId, id);
    expect(audit.filter(({ action }) => action === 'campaign.pause')).toHaveLength(1);
  });

  test('cannot be resumed before it is done, and a cancel in between wins', async () => {
    const { id, executionId } = await processing();
    await mark(executionId);
    const pausing = own.call('POST', `/${id}/pause`, own.approver);
    await untilState(id, 'PAUSING');
    const resumed = await own.call('POST', `/${id}/resume`, own.approver);
    expect([resumed.status, resumed.body.state, resumed.body.allowedFrom]).toEqual([
      409,
      'PAUSING',
      ['PAUSED'],
    ]);
    const cancelled = await own.call('POST', `/${id}/cancel`, own.approver, { reason: 'Engano' });
    expect([cancelled.status, cancelled.body.state]).toEqual([202, 'CANCELLING']);
    expect(await pausing).toMatchObject({ status: 202, body: { state: 'CANCELLING' } });
  });

  test('is answered the same when it is sent again with its Idempotency-Key', async () => {
    const { id } = await processing();
    const headers = { 'idempotency-key': randomUUID() };
    const first = await own.call('POST', `/${id}/pause`, own.approver, undefined, headers);
    expect([first.status, first.body.state]).toEqual([200, 'PAUSED']);
    await ok(own.call('POST', `/${id}/resume`, own.approver));
    const second = await own.call('POST', `/${id}/pause`, own.approver, undefined, headers);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect((await own.call('GET', `/${id}`, own.approver)).body.state).toBe('PROCESSING');
  });
});

test('a pause that was answered "not yet" is waited for again by its repetition with the same Idempotency-Key', async () => {
  const { id, executionId } = await processing();
  await mark(executionId, 7_000);
  const headers = { 'idempotency-key': randomUUID() };
  const pause = () => own.call('POST', `/${id}/pause`, own.approver, undefined, headers);
  const first = await pause();
  expect([first.status, first.body.state]).toEqual([202, 'PAUSING']);
  const second = await pause();
  expect([second.status, second.body.state]).toEqual([200, 'PAUSED']);
  expect(await pause()).toMatchObject({ status: 200, body: second.body });
});

async function untilState(id: string, state: string): Promise<void> {
  await until(`the campaign is ${state}`, async () => {
    const { body } = await own.call('GET', `/${id}`, own.approver);
    return body.state === state;
  });
}

test('one that is paused before it begins waits for its beginning again when it is resumed', async () => {
  const { id } = await own.approved();
  expect((await own.call('POST', `/${id}/pause`, own.approver)).body.state).toBe('PAUSED');
  expect((await own.call('POST', `/${id}/resume`, own.approver)).body.state).toBe('APPROVED');
});

test('managers control what they see, agents nothing', async () => {
  const { manager, agent } = own.tenant;
  const id = await own.draft({ by: manager });
  await ok(own.call('POST', `/${id}/submit`, manager));
  await ok(own.call('POST', `/${id}/approve`, own.approver));
  expect((await own.call('POST', `/${id}/pause`, agent)).status).toBe(403);
  expect((await own.call('POST', `/${id}/pause`, manager)).status).toBe(200);
});

test('progress of a million people is read from their 2,000 batches alone, without the ledger or the audience', async () => {
  const { id, executionId } = await own.approved();
  const { companyId } = own.tenant;
  await withTenant(api.deps.db, companyId, async (tx) => {
    await tx.dispatchBatch.deleteMany({ where: { executionId } });
    await tx.$executeRaw`UPDATE campaign_executions SET recipients = 1000000, state = 'PROCESSING', started_at = now() - interval '1 minute' WHERE id = ${executionId}::uuid`;
    await tx.$executeRaw`
      INSERT INTO dispatch_batches (company_id, execution_id, seq, lane, from_position, to_position, next_position, sent, failed)
      SELECT ${companyId}::uuid, ${executionId}::uuid, s, s % 4, s * 500, s * 500 + 499, s * 500 + 500, 499, 1
      FROM generate_series(0, 1999) s`;
  });
  await withClient(api.database.adminUrl, async (client) => {
    // Whoever wanted to read them would wait for as long as this transaction is open.
    await client.query(
      'BEGIN; LOCK TABLE communications, campaign_recipients IN ACCESS EXCLUSIVE MODE',
    );
    const { progress } = await ok(own.call('GET', `/${id}`, own.approver));
    expect(progress.counts).toMatchObject({ recipients: 1_000_000, sent: 998_000, failed: 2_000 });
    await client.query('ROLLBACK');
  });
});
