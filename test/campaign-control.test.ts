import { withTenant } from '../prisma/tenant';
import { campaignLaneId } from '../workflows/campaign-lane';
import { ok, startCampaignBench, type Campaigner, type CampaignBench } from './support/campaigns';
import { query } from './support/database';
import { until } from './support/until';

let world: CampaignBench;
let own: Campaigner;
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
  own = await world.campaigner();
}, 300_000);
afterAll(() => world.stop());
beforeEach(() => world.bench.sandbox.reset());

const post = (id: string, verb: string, body?: unknown) =>
  own.call('POST', `/${id}/${verb}`, own.approver, body);
const accepted = (): number => world.bench.sandbox.totals().accepted;
const counts = async (id: string) => {
  const { progress } = await ok(own.call('GET', `/${id}`, own.approver));
  return progress.counts;
};

/** Approves a campaign and waits until the vendor has taken some of it. */
async function underWay(
  recipients: number,
  sent: number,
): Promise<{ id: string; executionId: string }> {
  world.bench.sandbox.configure({ latency: { kind: 'fixed', ms: 20 } });
  const made = await own.approved({ recipients });
  await until(`${sent} are accepted`, () => accepted() >= sent);
  return made;
}

test('from the moment of PAUSED the vendor gets nothing, and a resume sends the rest exactly once', async () => {
  const { id, executionId } = await underWay(3_000, 300);
  const { sandbox, client } = world.bench;
  const paused = await post(id, 'pause');
  sandbox.configure({ fence: { at: Date.now() } });
  const atPause = accepted();
  expect([paused.status, paused.body.state]).toEqual([200, 'PAUSED']);
  expect(atPause).toBeLessThan(3_000);
  for (const lane of [0, 1])
    expect(await client.workflow.getHandle(campaignLaneId(executionId, lane)).result()).toBe(
      'stopped',
    );
  expect([accepted(), sandbox.totals().lateStarts]).toEqual([atPause, 0]);
  expect(await counts(id)).toMatchObject({ recipients: 3_000, sending: 0 });

  expect((await post(id, 'resume')).body.state).toBe('PROCESSING');
  await world.untilState(own, id, 'FINISHED');
  expect(await counts(id)).toMatchObject({ recipients: 3_000, sent: 3_000, waiting: 0 });
  expect(world.bench.sandbox.totals()).toMatchObject({ unique: 3_000, duplicated: 0 });
});

test('a cancel is final: who has not been reached is cancelled, and the sum is whole', async () => {
  const { id } = await underWay(3_000, 200);
  const cancelled = await post(id, 'cancel', { reason: 'Campanha errada' });
  expect([cancelled.status, cancelled.body.state]).toEqual([202, 'CANCELLING']);
  await world.untilState(own, id, 'CANCELLED');
  const { sent, cancelled: unreached, recipients } = await counts(id);
  expect(sent + unreached).toBe(recipients);
  expect(sent).toBe(accepted());
  expect(unreached).toBeGreaterThan(0);
  for (const verb of ['resume', 'pause', 'cancel', 'submit', 'approve'])
    expect((await post(id, verb)).status).toBe(409);
  const { items } = (await own.call('GET', `/${id}/reasons`, own.approver)).body;
  expect(items).toContainEqual({
    state: 'cancelled',
    reason: 'Campanha errada',
    isFish: false,
    people: unreached,
  });
});

test('a pause that is asked for again is answered PAUSED and leaves one trace, whoever has ended it', async () => {
  const { id } = await underWay(2_000, 100);
  const answers = [await post(id, 'pause'), await post(id, 'pause')];
  for (const { status, body } of answers) expect([status, body.state]).toEqual([200, 'PAUSED']);
  const trail = `SELECT action FROM audit_logs WHERE entity_id = $1 AND action LIKE 'campaign.pause%' ORDER BY id`;
  expect(await query(world.bench.adminUrl, trail, [id])).toEqual([
    { action: 'campaign.pause' },
    { action: 'campaign.paused' },
  ]);
  await post(id, 'cancel');
  await world.untilState(own, id, 'CANCELLED');
});

test.each([
  ['pause', 'PAUSED'],
  ['cancel', 'CANCELLED'],
] as const)(
  'a %s whose process has died with it is not kept waiting when it is repeated',
  async (verb, end) => {
    const { id } = await underWay(2_000, 100);
    const key = `lost-${verb}`;
    const again = () =>
      own.call('POST', `/${id}/${verb}`, own.approver, undefined, { 'idempotency-key': key });
    // Claimed a moment ago by a process that is not there any more.
    await own.call('POST', `/${id}/clone`, own.approver, undefined, { 'idempotency-key': key });
    const dead = `UPDATE idempotency_keys SET state = 'running', touched_at = now(), request_hash = $2 WHERE key = $1`;
    const request = `POST /v1/campaigns/${id}/${verb}\n`;
    const hash = world.api.deps.encryption.fingerprint([request, new Uint8Array()]);
    await query(world.bench.adminUrl, dead, [key, hash]);
    expect((await again()).status).toBeLessThan(300);
    await world.untilState(own, id, end);
    if (verb === 'pause') await post(id, 'cancel');
  },
);

test('a paused campaign can be cancelled', async () => {
  const { id } = await underWay(2_000, 100);
  await post(id, 'pause');
  const atPause = accepted();
  await post(id, 'cancel');
  await world.untilState(own, id, 'CANCELLED');
  expect(accepted()).toBe(atPause);
});

test('resumed after its deadline it ends, and nobody more is sent to', async () => {
  const { id } = await underWay(2_000, 100);
  await post(id, 'pause');
  const atPause = accepted();
  const past = `UPDATE campaign_executions SET send_until = now() WHERE campaign_id = $1`;
  await query(world.bench.adminUrl, past, [id]);
  expect((await post(id, 'resume')).body.state).toBe('PROCESSING');
  await world.untilState(own, id, 'FINISHED');
  expect(accepted()).toBe(atPause);
  expect(await counts(id)).toMatchObject({ sent: atPause, skipped: 2_000 - atPause });
});

test('a campaign without money is paused for it, and goes on when there is some', async () => {
  const poor = await world.campaigner({ budget: '1.00' });
  const { id } = await poor.approved({ recipients: 50 });
  await world.untilState(poor, id, 'PAUSED');
  const { progress } = await ok(poor.call('GET', `/${id}`, poor.approver));
  expect(progress.counts).toMatchObject({ sent: 20, waiting: 30 });
  expect(progress.money).toEqual({ reserved: '0.0000', used: '1.0000' });
  expect(progress.waiting).toMatchObject({ reason: 'budget_exhausted', by: null });
  await withTenant(world.bench.db, poor.tenant.companyId, (tx) =>
    tx.budget.update({ where: { id: poor.means.budgetId }, data: { budget: '2.50' } }),
  );
  await ok(poor.call('POST', `/${id}/resume`, poor.approver));
  await world.untilState(poor, id, 'FINISHED');
  const end = await ok(poor.call('GET', `/${id}`, poor.approver));
  expect(end.progress.counts).toMatchObject({ sent: 50, waiting: 0 });
  expect(end.progress.money).toEqual({ reserved: '0.0000', used: '2.5000' });
  expect(accepted()).toBe(50);
});

test('a change after the approval reaches the engine as an end that sent nothing', async () => {
  const scheduledAt = new Date(Date.now() + 3_600_000).toISOString();
  const { id, executionId } = await own.approved({ recipients: 20, fields: { scheduledAt } });
  await ok(own.call('PATCH', `/${id}`, own.tenant.director, { scheduledAt: null }));
  const handle = world.bench.client.workflow.getHandle(`campaign-dispatch:${executionId}`);
  expect(await handle.result()).toBe('CANCELLED');
  await ok(own.call('POST', `/${id}/submit`, own.tenant.director));
  await ok(post(id, 'approve'));
  await world.untilState(own, id, 'FINISHED');
  expect(await counts(id)).toMatchObject({ recipients: 20, sent: 20 });
  expect(accepted()).toBe(20);
});

describe('a test send', () => {
  const send = (id: string, body: unknown, of = own) =>
    of.call('POST', `/${id}/test-send`, of.tenant.director, body);

  test('sends the first person’s message to one number, paid and marked as a test', async () => {
    const id = await own.draft({ recipients: 3 });
    const to = '(11) 98888-1234';
    const { status, body } = await send(id, { to });
    expect([status, body]).toMatchObject([
      200,
      { to: '+5511988881234', state: 'sent', reason: null, cost: '0.0500', ended: true },
    ]);
    expect(world.bench.sandbox.messages()).toMatchObject([
      { to: '+5511988881234', body: 'Olá Pessoa 0, temos uma proposta para você.' },
    ]);
    const again = await own.call('GET', `/${id}/test-sends/${body.id}`, own.tenant.director);
    expect(again.body).toEqual(body);
    const [row] = await query(
      world.bench.adminUrl,
      'SELECT source_kind FROM communications WHERE source_id = $1',
      [body.id],
    );
    expect(row).toEqual({ source_kind: 'test' });
    const campaign = await ok(own.call('GET', `/${id}`, own.tenant.director));
    expect([campaign.state, campaign.execution]).toEqual(['DRAFT', null]);
    const { items } = (await own.call('GET', `/${id}/executions`, own.approver)).body;
    expect(items).toMatchObject([{ type: 'test', counts: { sent: 1 }, money: { used: '0.0500' } }]);
  });

  test('takes the values that it is given, and refuses to leave a hole', async () => {
    const fields = { baseMessage: '{{nome}}, seu saldo é {{valor}}' };
    const id = await own.draft({ recipients: 0, fields });
    const to = '+5511988881234';
    const hole = await send(id, { to, recipient: { nome: 'Bia', variables: {} } });
    expect([hole.status, hole.body.errors[0].pointer]).toEqual([400, '/recipient/variables/valor']);
    const recipient = { nome: 'Bia', variables: { valor: 'R$ 10,00' } };
    expect((await send(id, { to, recipient })).body.state).toBe('sent');
    expect(world.bench.sandbox.messages()).toMatchObject([{ body: 'Bia, seu saldo é R$ 10,00' }]);
    const landline = await send(id, { to: '1133334444', recipient });
    expect([landline.status, landline.body.errors]).toMatchObject([
      400,
      [{ pointer: '/to', detail: 'is a landline' }],
    ]);
  });

  test('does not pass the blocklist, nor a spent budget', async () => {
    const poor = await world.campaigner({ budget: '0.06' });
    const { companyId } = poor.tenant;
    await withTenant(world.bench.db, companyId, (tx) =>
      tx.blocklistEntry.create({ data: { companyId, phone: '+5511988880000' } }),
    );
    const id = await poor.draft();
    const blocked = await send(id, { to: '+5511988880000' }, poor);
    expect(blocked.body).toMatchObject({ state: 'skipped', reason: 'blocklist', cost: '0.0000' });
    expect((await send(id, { to: '+5511988881111' }, poor)).body.state).toBe('sent');
    const unpaid = await send(id, { to: '+5511988882222' }, poor);
    expect(unpaid.body).toMatchObject({
      state: 'cancelled',
      reason: 'budget_exhausted',
      cost: '0.0000',
      ended: true,
    });
    expect(accepted()).toBe(1);
  });

  test('by an account that the vendor refuses ends instead of waiting for a resume', async () => {
    const refused = await world.campaigner();
    const { companyId } = refused.tenant;
    const { credentialId } = refused.means;
    const config = { url: world.bench.sandbox.url, token: 'nobody', webhookSecret: 's' };
    const encryptedConfig = world.bench.encryption.encrypt(
      JSON.stringify(config),
      companyId,
      credentialId,
    );
    await withTenant(world.bench.db, companyId, (tx) =>
      tx.credential.update({ where: { id: credentialId }, data: { encryptedConfig } }),
    );
    const id = await refused.draft();
    const { body } = await send(id, { to: '+5511988881111' }, refused);
    expect(body).toMatchObject({ state: 'cancelled', reason: 'credentials_refused', ended: true });
  });
});
