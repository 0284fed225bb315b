import { transitionExecution } from '../prisma/campaign-executions';
import { withTenant } from '../prisma/tenant';
import { startTestApi, type TestApi, type TestPerson } from './support/api';
import { ok, startCampaigner, type Campaigner } from './support/campaigns';
import { auditOf } from './support/audit';
import { query } from './support/database';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

const director = (): TestPerson => own.tenant.director;
const stateOf = async (id: string): Promise<string> =>
  (await own.call('GET', `/${id}`, director())).body.state;
const submitted = async (): Promise<string> => {
  const id = await own.draft();
  await ok(own.call('POST', `/${id}/submit`, director()));
  return id;
};

describe('a change drops the approval', () => {
  test('after the submission', async () => {
    const id = await submitted();
    const { body } = await own.call('PATCH', `/${id}`, director(), { baseMessage: 'Oi {{nome}}' });
    expect(body).toMatchObject({ state: 'DRAFT', submittedBy: null });
    expect(body.approval.submission).toBeNull();
    expect((await own.call('POST', `/${id}/approve`, own.approver)).status).toBe(409);
  });

  test('after the approval: its execution is withdrawn, and the next approval opens a whole one', async () => {
    const company = await startCampaigner(api, await api.tenant());
    const { companyId, director: as } = company.tenant;
    await withTenant(api.deps.db, companyId, (tx) =>
      tx.fishContact.create({ data: { companyId, name: 'Bia', phone: '+5511988887777' } }),
    );
    const { id, executionId } = await company.approved({ recipients: 5 });
    const changed = await company.call('PATCH', `/${id}`, as, { name: 'Outra' });
    expect(changed.body).toMatchObject({ state: 'DRAFT', approvedBy: null, execution: null });
    const [withdrawn] = await query(
      api.database.adminUrl,
      `SELECT e.state, e.state_reason, e.recipients + e.fish AS people, count(b.seq)::int AS batches
        FROM campaign_executions e LEFT JOIN dispatch_batches b ON b.execution_id = e.id WHERE e.id = $1 GROUP BY e.id`,
      [executionId],
    );
    expect(withdrawn).toEqual({
      state: 'CANCELLED',
      state_reason: 'withdrawn',
      people: 0,
      batches: 0,
    });
    const late = withTenant(api.deps.db, companyId, (tx) =>
      transitionExecution(tx, { executionId, verb: 'start' }),
    );
    await expect(late).rejects.toMatchObject({ code: 'CONFLICT' });

    await ok(company.call('POST', `/${id}/submit`, as));
    await ok(company.call('POST', `/${id}/approve`, company.approver));
    const { progress } = await ok(company.call('GET', `/${id}`, as));
    expect(progress.counts).toMatchObject({ recipients: 5, waiting: 5 });
    expect(progress.fish).toMatchObject({ recipients: 1, waiting: 1 });
  });

  test('never once it has begun, whoever is first', async () => {
    const { companyId } = own.tenant;
    for (let round = 0; round < 8; round += 1) {
      const { id, executionId } = await own.approved();
      const [edited, begun] = await Promise.all([
        own.call('PATCH', `/${id}`, director(), { name: `Corrida ${round}` }),
        withTenant(api.deps.db, companyId, (tx) =>
          transitionExecution(tx, { executionId, verb: 'start' }),
        ).then(
          () => true,
          () => false,
        ),
      ]);
      expect([edited.status, begun]).toEqual(begun ? [409, true] : [200, false]);
      expect(await stateOf(id)).toBe(begun ? 'PROCESSING' : 'DRAFT');
    }
  });

  test('of the template’s text, while it waits: audited, and the approver sees why', async () => {
    const { companyId } = own.tenant;
    const templates = (method: string, path: string, body: unknown) =>
      api.request(method, `/v1/templates${path}`, { as: director(), body });
    const text = { name: 'Aviso', templateCode: 'aviso', content: 'Olá {{nome}}' };
    const { id: templateId } = await ok(templates('POST', '', text));
    const make = async (): Promise<string> => {
      const id = await own.draft({ fields: { templateId, baseMessage: null } });
      await ok(own.call('POST', `/${id}/submit`, director()));
      return id;
    };
    const [waiting, approved] = [await make(), await make()];
    await ok(own.call('POST', `/${approved}/approve`, own.approver));
    await ok(templates('PATCH', `/${templateId}`, { name: 'Outro nome' }));
    expect(await stateOf(waiting)).toBe('PENDING_APPROVAL');

    await ok(templates('PATCH', `/${templateId}`, { content: 'Oi {{nome}}' }));
    const { body } = await own.call('GET', `/${waiting}`, own.approver);
    expect(body).toMatchObject({ state: 'DRAFT', stateReason: 'template_changed' });
    expect(body.approval).toMatchObject({ submission: null, mayApprove: false });
    const audit = await auditOf(api.deps.db, companyId, waiting);
    expect(audit.at(-1)).toMatchObject({
      action: 'campaign.drop_submission',
      actorId: director().id,
    });
    expect(await stateOf(approved)).toBe('APPROVED');
    const again = await ok(own.call('POST', `/${waiting}/submit`, director()));
    expect(again).toMatchObject({ state: 'PENDING_APPROVAL', stateReason: null });
    expect(again.approval.submission.message.template.content).toBe('Oi {{nome}}');
  });

  test('of the template’s text at the moment of the submission leaves nothing stale to approve', async () => {
    const templates = (method: string, path: string, body: unknown) =>
      api.request(method, `/v1/templates${path}`, { as: director(), body });
    const text = { name: 'Corrida', templateCode: 'corrida', content: 'Olá' };
    const { id: templateId } = await ok(templates('POST', '', text));
    for (let round = 0; round < 8; round += 1) {
      const id = await own.draft({ fields: { templateId, baseMessage: null } });
      const content = `Olá ${round}`;
      await Promise.all([
        own.call('POST', `/${id}/submit`, director()),
        templates('PATCH', `/${templateId}`, { content }),
      ]);
      const { state, approval } = await ok(own.call('GET', `/${id}`, director()));
      if (state === 'PENDING_APPROVAL')
        expect(approval.submission.message.template.content).toBe(content);
      else expect(state).toBe('DRAFT');
    }
  });

  test('but not a patch that changes nothing', async () => {
    const id = await submitted();
    const before = await ok(own.call('GET', `/${id}`, director()));
    const { name, scheduledAt, sendWindow } = before;
    await ok(own.call('PATCH', `/${id}`, director(), { name, scheduledAt, sendWindow }));
    expect(await stateOf(id)).toBe('PENDING_APPROVAL');
  });
});

test('nothing is submitted after its beginning; what passes its time while it waits may go at once', async () => {
  const scheduledAt = new Date(Date.now() - 30_000).toISOString();
  const id = await own.draft({ fields: { scheduledAt } });
  await query(
    api.database.adminUrl,
    `UPDATE campaigns SET scheduled_at = now() - interval '61 seconds' WHERE id = $1`,
    [id],
  );
  const late = await own.call('POST', `/${id}/submit`, director());
  expect([late.status, late.body.errors[0].pointer]).toEqual([409, '/scheduledAt']);
  const longAgo = { scheduledAt: new Date(Date.now() - 120_000).toISOString() };
  const patched = await own.call('PATCH', `/${id}`, director(), longAgo);
  expect([patched.status, patched.body.errors[0].pointer]).toEqual([400, '/scheduledAt']);
  await ok(own.call('PATCH', `/${id}`, director(), { name: 'Ainda um rascunho' }));
  await ok(own.call('PATCH', `/${id}`, director(), { scheduledAt }));
  const { approval } = await ok(own.call('POST', `/${id}/submit`, director()));
  expect(approval.submission.scheduledAt).toBe(scheduledAt);
  expect((await own.call('POST', `/${id}/approve`, own.approver)).status).toBe(200);
});

test('a moment is refused where it cannot be meant, and of another field never for that', async () => {
  const DAY = 86_400_000;
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const id = await own.draft({
    fields: { scheduledAt: at(364 * DAY), sendUntil: at(400 * DAY) },
  });
  const change = (patch: object) => own.call('PATCH', `/${id}`, director(), patch);
  for (const [patch, field] of [
    [{ scheduledAt: at(367 * DAY) }, '/scheduledAt'],
    [{ scheduledAt: null, sendUntil: at(-70_000) }, '/sendUntil'],
  ] as const) {
    const refused = await change(patch);
    expect([refused.status, refused.body.errors.length, refused.body.errors[0].pointer]).toEqual([
      400,
      1,
      field,
    ]);
    expect(refused.body.detail).toContain(field.slice(1));
  }
  await ok(change({ scheduledAt: null, sendUntil: at(-30_000) }));
  const columns = `scheduled_at = '2999-01-01', send_until = '2999-02-01'`;
  const { adminUrl } = api.database;
  await query(adminUrl, `UPDATE campaigns SET ${columns} WHERE id = $1`, [id]);
  await ok(change({ name: 'Outro nome' }));
  const submitted = await own.call('POST', `/${id}/submit`, director());
  expect([submitted.status, submitted.body.errors[0].pointer]).toEqual([409, '/scheduledAt']);
  await query(
    adminUrl,
    `UPDATE campaigns SET scheduled_at = NULL, send_until = '2020-01-01' WHERE id = $1`,
    [id],
  );
  await ok(change({ name: 'Mais um' }));
});

test('an agent who submits a colleague’s draft is told that it is not there, and nothing of it is touched', async () => {
  const id = await own.draft();
  const assessed = () =>
    query(
      api.database.adminUrl,
      'SELECT assessed_with FROM audiences WHERE campaign_id = $1 AND assessed_with IS NOT NULL',
      [id],
    );
  expect(await assessed()).toEqual([]);
  expect((await own.call('POST', `/${id}/submit`, own.tenant.agent)).status).toBe(404);
  expect(await assessed()).toEqual([]);
  await ok(own.call('POST', `/${id}/submit`, own.tenant.director));
  expect(await assessed()).toHaveLength(1);
});
