import { randomUUID } from 'node:crypto';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { CAMPAIGN, giveAudience, ok, startCampaigner, type Campaigner } from './support/campaigns';
import { createBroker } from './support/factories';

let api: TestApi;
let ours: Campaigner;
let theirs: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  ours = await startCampaigner(api, api.first);
  theirs = await startCampaigner(api, api.second);
}, 120_000);
afterAll(() => api.close());

const director = (): TestPerson => ours.tenant.director;
const pointers = ({ body }: Answer): string[] =>
  (body.errors as { pointer: string }[]).map(({ pointer }) => pointer).sort();
const ids = ({ body }: Answer): string[] => (body.items as { id: string }[]).map(({ id }) => id);
const post = (fields: Record<string, unknown>, as = director()): Promise<Answer> => {
  const { walletId, brokerId } = ours.means;
  return ours.call('POST', '', as, { ...CAMPAIGN, walletId, brokerId, ...fields });
};

describe('a new campaign', () => {
  test('is a draft of whoever makes it, known by an agendamentoId of its own', async () => {
    const { status, body } = await post({ description: 'Base de novembro' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...CAMPAIGN,
      state: 'DRAFT',
      userId: director().id,
      createdBy: { id: director().id, name: director().name },
      throttlingType: 'none',
      onBudgetExhausted: 'pause',
      audience: null,
      execution: null,
    });
    expect(body.agendamentoId).toMatch(/^AG\d{8}-[A-Z2-9]{8}$/);
    const [entry] = await auditOf(api.deps.db, ours.tenant.companyId, body.id);
    expect(entry).toMatchObject({ action: 'campaign.create', actorId: director().id });
  });

  test('keeps the agendamentoId that it is given, once in a company', async () => {
    const agendamentoId = `GOSAC:${randomUUID()}`;
    expect((await post({ agendamentoId })).status).toBe(201);
    const again = await post({ agendamentoId });
    expect([again.status, pointers(again)]).toEqual([409, ['/agendamentoId']]);
    const { walletId, brokerId } = theirs.means;
    const body = { ...CAMPAIGN, walletId, brokerId, agendamentoId };
    expect((await theirs.call('POST', '', theirs.tenant.director, body)).status).toBe(201);
  });

  test.each([
    ['no name', { name: ' ' }, 400, ['/name']],
    ['an unknown field', { status: 'APPROVED' }, 400, ['/status']],
    ['a placeholder that is never closed', { baseMessage: 'Oi {{nome' }, 400, ['/baseMessage']],
    ['a placeholder of nothing', { baseMessage: 'Oi {{}}' }, 400, ['/baseMessage']],
    ['an unknown wallet', { walletId: randomUUID() }, 404, ['/walletId']],
    ['an unknown broker', { brokerId: randomUUID() }, 404, ['/brokerId']],
    ['an unknown template', { templateId: randomUUID() }, 404, ['/templateId']],
    ['a moment without a zone', { scheduledAt: '2027-01-01T10:00:00' }, 400, ['/scheduledAt']],
    ['a beginning that has passed', { scheduledAt: '2026-01-01T10:00:00Z' }, 400, ['/scheduledAt']],
    ['a slip in the year', { scheduledAt: '9999-01-01T10:00:00Z' }, 400, ['/scheduledAt']],
    ['a deadline that has passed', { sendUntil: '2026-01-01T10:00:00Z' }, 400, ['/sendUntil']],
    [
      'fixed throttling without a delay',
      { throttlingType: 'fixed' },
      400,
      ['/throttlingConfig/delayLimit'],
    ],
    [
      'maxRandom below delayLimit',
      { throttlingType: 'random', throttlingConfig: { delayLimit: 300, maxRandom: 120 } },
      400,
      ['/throttlingConfig/maxRandom'],
    ],
    [
      'an end before its beginning',
      { scheduledAt: '2027-01-02T00:00:00Z', sendUntil: '2027-01-01T00:00:00Z' },
      400,
      ['/sendUntil'],
    ],
    [
      'a window of no days at impossible times',
      { sendWindow: { days: [], start: '8h', end: '25:00' } },
      400,
      ['/sendWindow/days', '/sendWindow/end', '/sendWindow/start'],
    ],
  ])('is refused with %s', async (_, fields, status, expected) => {
    const refused = await post(fields);
    expect([refused.status, pointers(refused)]).toEqual([status, expected]);
  });

  test('cannot pay from the wallet of another company', async () => {
    const refused = await post({ walletId: theirs.means.walletId });
    expect([refused.status, pointers(refused)]).toEqual([404, ['/walletId']]);
  });

  test('made by an ADMIN of the operator belongs to nobody here, and they cannot approve it', async () => {
    const headers = { 'x-company': ours.tenant.slug };
    const { walletId, brokerId } = ours.means;
    const body = { ...CAMPAIGN, walletId, brokerId };
    const made = await ours.call('POST', '', api.admin, body, headers);
    expect([made.status, made.body.userId]).toEqual([201, null]);
    const { id } = made.body;
    await giveAudience(api.deps.db, ours.tenant.companyId, id, { recipients: 2 });
    await ok(ours.call('POST', `/${id}/submit`, director()));
    const refused = await ours.call('POST', `/${id}/approve`, api.admin, undefined, headers);
    expect([refused.status, refused.body.reason]).toEqual([403, 'own_campaign']);
    expect((await ours.call('POST', `/${id}/approve`, ours.approver)).status).toBe(200);
  });

  test('sent twice with one Idempotency-Key is one campaign', async () => {
    const { walletId, brokerId } = ours.means;
    const body = { ...CAMPAIGN, walletId, brokerId };
    const headers = { 'idempotency-key': randomUUID() };
    const first = await ours.call('POST', '', director(), body, headers);
    const second = await ours.call('POST', '', director(), body, headers);
    expect([second.status, second.body.id]).toEqual([201, first.body.id]);
  });
});

describe('a change', () => {
  test('is checked together with what stays', async () => {
    const id = await ours.draft({
      fields: { throttlingType: 'random', throttlingConfig: { delayLimit: 1, maxRandom: 2 } },
    });
    const patch = { throttlingConfig: { delayLimit: 3 } };
    const refused = await ours.call('PATCH', `/${id}`, director(), patch);
    expect([refused.status, pointers(refused)]).toEqual([400, ['/throttlingConfig/maxRandom']]);
    const changed = await ours.call('PATCH', `/${id}`, director(), {
      throttlingType: 'none',
      throttlingConfig: null,
      sendWindow: { days: [1, 2], start: '09:00', end: '24:00' },
    });
    expect(changed.body).toMatchObject({ throttlingType: 'none', throttlingConfig: null });
    expect(changed.body.sendWindow).toEqual({ days: [1, 2], start: '09:00', end: '24:00' });
    const cleared = await ours.call('PATCH', `/${id}`, director(), { sendWindow: null });
    expect(cleared.body.sendWindow).toBeNull();
  });

  test('of the broker keeps the audience while the channel stays the same', async () => {
    const id = await ours.draft();
    const { companyId } = ours.tenant;
    const sms = await createBroker(api.deps.db, companyId);
    const whatsapp = await createBroker(api.deps.db, companyId, { channel: 'whatsapp' });
    const same = await ours.call('PATCH', `/${id}`, director(), { brokerId: sms });
    expect(same.body.audience).not.toBeNull();
    const other = await ours.call('PATCH', `/${id}`, director(), { brokerId: whatsapp });
    expect(other.body.audience).toBeNull();
  });
});

describe('a draft', () => {
  test('is deleted with its people', async () => {
    const id = await ours.draft({ recipients: 3 });
    expect((await ours.call('DELETE', `/${id}`, director())).status).toBe(204);
    expect((await ours.call('GET', `/${id}`, director())).status).toBe(404);
    const left = await withTenant(api.deps.db, ours.tenant.companyId, (tx) =>
      tx.audience.count({ where: { campaignId: id } }),
    );
    expect(left).toBe(0);
  });

  test('that was approved once stays on record', async () => {
    const { id } = await ours.approved();
    await ok(ours.call('PATCH', `/${id}`, director(), { name: 'Outra' }));
    const refused = await ours.call('DELETE', `/${id}`, director());
    expect([refused.status, refused.body.executions]).toEqual([409, 1]);
  });
});

describe('the list', () => {
  test('filters by state, wallet, broker, creator, date and text, page by page', async () => {
    const own = await startCampaigner(api, await api.tenant());
    const { call, tenant } = own;
    const drafts = [await own.draft(), await own.draft({ fields: { name: 'Natal 100%' } })];
    const { id: approved } = await own.approved();
    const list = (query: string): Promise<Answer> => call('GET', `?${query}`, tenant.director);

    const first = await list('limit=2');
    expect(ids(first)).toEqual([approved, drafts[1]]);
    const rest = await list(`limit=2&cursor=${first.body.nextCursor}`);
    expect([ids(rest), rest.body.nextCursor]).toEqual([[drafts[0]], null]);

    expect(ids(await list('state=APPROVED'))).toEqual([approved]);
    expect(ids(await list('state=APPROVED,DRAFT'))).toHaveLength(3);
    expect(ids(await list('state=APPROVED&state=DRAFT'))).toHaveLength(3);
    expect(ids(await list('text=natal+100%25'))).toEqual([drafts[1]]);
    expect(ids(await list(`walletId=${own.means.walletId}`))).toHaveLength(3);
    expect(ids(await list(`walletId=${randomUUID()}`))).toEqual([]);
    expect(
      ids(await list(`brokerId=${own.means.brokerId}&userId=${tenant.director.id}`)),
    ).toHaveLength(3);
    expect(ids(await list(`userId=${tenant.agent.id}`))).toEqual([]);
    expect(ids(await list('createdUntil=2026-01-01T00:00:00Z'))).toEqual([]);
    expect(ids(await list('createdFrom=2026-01-01T00:00:00Z'))).toHaveLength(3);
    const refused = await list('state=SENDING');
    expect([refused.status, pointers(refused)]).toEqual([400, ['/query/state/0']]);
  });

  test('shows what waits for my approval: not my own, and nothing to those who may not', async () => {
    const own = await startCampaigner(api, await api.tenant());
    const { director: creator, manager, agent } = own.tenant;
    const id = await own.draft();
    await own.draft();
    await ok(own.call('POST', `/${id}/submit`, creator));
    const waiting = async (as: TestPerson): Promise<string[]> =>
      ids(await own.call('GET', '?awaitingMyApproval=true', as));
    expect(await waiting(own.approver)).toEqual([id]);
    expect(await waiting(creator)).toEqual([]);
    // A manager of no common squad does not even see it.
    expect(await waiting(manager)).toEqual([]);
    expect(await waiting(agent)).toEqual([]);
    expect((await own.call('GET', `/${id}`, own.approver)).body.approval.mayApprove).toBe(true);
    expect((await own.call('GET', `/${id}`, creator)).body.approval.mayApprove).toBe(false);
  });
});

describe('who sees a campaign', () => {
  test('its agent, the managers of a common squad, every director, a key with the scope', async () => {
    const { agent, manager, companyId } = ours.tenant;
    const colleague = await api.person(companyId, 'AGENT');
    const id = await ours.draft({ by: agent });
    const sees = async (as: { token: string }): Promise<number> =>
      (await ours.call('GET', `/${id}`, as)).status;
    expect(await sees(agent)).toBe(200);
    expect(await sees(colleague)).toBe(404);
    expect(await sees(manager)).toBe(404);
    await withTenant(api.deps.db, companyId, async (tx) => {
      const data = { companyId, name: `Equipe ${randomUUID()}`, type: 'sales' };
      const { id: squadId } = await tx.squad.create({ data });
      for (const userId of [agent.id, manager.id])
        await tx.squadMember.create({ data: { companyId, squadId, userId } });
    });
    expect(await sees(manager)).toBe(200);
    expect(ids(await ours.call('GET', '', manager))).toContain(id);
    expect(ids(await ours.call('GET', '', colleague))).toEqual([]);
    expect(await sees(ours.approver)).toBe(200);
    expect(await sees(await api.key(director(), ['campaigns:read']))).toBe(200);
    expect(await sees(await api.key(director(), ['wallets:read']))).toBe(403);
  });

  test('nobody of another company, whatever they try', async () => {
    const { id, executionId } = await ours.approved();
    const stranger = theirs.tenant.director;
    const attempts: [string, string, unknown?][] = [
      ['GET', ''],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', ''],
      ['POST', '/submit'],
      ['POST', '/approve'],
      ['POST', '/reject', { reason: 'x' }],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/cancel'],
      ['POST', '/retry-failed'],
      ['POST', '/clone'],
      ['POST', '/test-send', { to: '+5511999990000' }],
      ['GET', `/test-sends/${executionId}`],
      ['GET', '/executions'],
      ['GET', '/recipients'],
      ['GET', '/reasons'],
      ['GET', '/report.csv'],
      ['GET', '/events'],
    ];
    for (const [method, path, body] of attempts) {
      const { status } = await theirs.call(method, `/${id}${path}`, stranger, body);
      expect([method, path, status]).toEqual([method, path, 404]);
    }
    expect((await ours.call('GET', `/${id}`, director())).body.state).toBe('APPROVED');
  });

  test('no agent approves or controls, not even their own', async () => {
    const { agent } = ours.tenant;
    const id = await ours.draft({ by: agent });
    await ok(ours.call('POST', `/${id}/submit`, agent));
    for (const verb of ['approve', 'reject', 'pause', 'resume', 'cancel', 'retry-failed']) {
      const body = verb === 'reject' ? { reason: 'x' } : undefined;
      const { status } = await ours.call('POST', `/${id}/${verb}`, agent, body);
      expect([verb, status]).toEqual([verb, 403]);
    }
  });
});
