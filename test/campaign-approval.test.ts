import type { CampaignState } from '../domain/campaigns';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { giveAudience, ok, startCampaigner, type Campaigner } from './support/campaigns';
import { query } from './support/database';
import { until } from './support/until';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

const director = (): TestPerson => own.tenant.director;
const sql = (text: string, values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(api.database.adminUrl, text, values);
const stateOf = async (id: string): Promise<CampaignState> =>
  (await own.call('GET', `/${id}`, director())).body.state;
const submitted = async (by = director()): Promise<string> => {
  const id = await own.draft({ by });
  await ok(own.call('POST', `/${id}/submit`, by));
  return id;
};
const approve = (
  id: string,
  as: { token: string } = own.approver,
  body?: unknown,
): Promise<Answer> => own.call('POST', `/${id}/approve`, as, body);
const pointers = ({ body }: Answer): string[] =>
  (body.errors as { pointer: string }[]).map(({ pointer }) => pointer).sort();

describe('a submission', () => {
  test('freezes what it will cost and say', async () => {
    const id = await own.draft({ recipients: 7 });
    const { body } = await own.call('POST', `/${id}/submit`, director());
    expect(body.state).toBe('PENDING_APPROVAL');
    expect(body.progress.waiting).toMatchObject({ reason: 'approval' });
    expect(body.approval.submission).toMatchObject({
      audience: { recipients: 7, sendable: 7, units: 7 },
      price: '0.0500',
      estimatedCost: '0.3500',
      currency: 'BRL',
      message: { baseMessage: 'Olá {{nome}}, temos uma proposta para você.', template: null },
    });
    expect(body.approval.submitted.by).toEqual({ id: director().id, name: 'Carla' });
  });

  test('counts segments, fish, and nobody who cannot be sent to', async () => {
    const company = await startCampaigner(api, await api.tenant(), { billingUnit: 'segment' });
    const { companyId, director: as } = company.tenant;
    const id = await company.draft({ recipients: 3 });
    const of = 'WHERE company_id = $1 AND position';
    const long = 'Uma proposta para voce. '.repeat(8);
    await sql(`UPDATE campaign_recipients SET custom_message = $2 ${of} = 0`, [companyId, long]);
    await sql(`UPDATE campaign_recipients SET nome = NULL ${of} = 2`, [companyId]);
    await withTenant(api.deps.db, companyId, (tx) =>
      tx.fishContact.createMany({
        data: [
          { companyId, name: 'Bia', phone: '+5511988887777' },
          { companyId, name: 'É destinatária', phone: '+5511900000000' },
        ],
      }),
    );
    const { approval } = await ok(company.call('POST', `/${id}/submit`, as));
    expect(approval.submission).toMatchObject({
      audience: { recipients: 3, sendable: 2, units: 3 },
      fish: { contacts: 1, units: 1 },
      estimatedCost: '0.2000',
    });
    const { executionId } = await ok(company.call('POST', `/${id}/approve`, company.approver));
    const { progress } = await ok(company.call('GET', `/${id}`, as));
    expect([progress.counts.recipients, progress.fish.recipients]).toEqual([3, 1]);
    const [fish] = await sql(
      `SELECT r.nome, r.units, r.variables, r.custom_message, r.cpf_cnpj, r.idcob_contrato FROM campaign_recipients r JOIN campaign_executions e USING (audience_id)
        WHERE e.id = $1 AND r.is_fish`,
      [executionId],
    );
    // Nothing of the first person, who has a message and a contract of their own.
    expect(fish).toEqual({
      nome: 'Bia',
      units: 1,
      variables: {},
      custom_message: null,
      cpf_cnpj: null,
      idcob_contrato: null,
    });
  });

  test.each([
    ['nobody in the audience', { recipients: 0 }, ['/audience']],
    ['no message', { fields: { baseMessage: null } }, ['/baseMessage']],
    [
      'a deadline in the past',
      { fields: { sendUntil: new Date(Date.now() - 10_000).toISOString() } },
      ['/sendUntil'],
    ],
  ])('is refused with %s', async (_, spec, expected) => {
    const id = await own.draft(spec);
    const refused = await own.call('POST', `/${id}/submit`, director());
    expect([refused.status, pointers(refused)]).toEqual([409, expected]);
    expect(await stateOf(id)).toBe('DRAFT');
  });

  test('is refused without an active credential, and names everything else that is missing', async () => {
    const company = await startCampaigner(api, await api.tenant());
    const id = await company.draft({ recipients: 0 });
    const { credentialId } = company.means;
    await sql('UPDATE credentials SET active = false WHERE id = $1', [credentialId]);
    const refused = await company.call('POST', `/${id}/submit`, company.tenant.director);
    expect([refused.status, pointers(refused)]).toEqual([409, ['/audience', '/walletId']]);
  });

  test('needs no message of its own where everybody has one', async () => {
    const id = await own.draft({ recipients: 2, fields: { baseMessage: null } });
    await sql(
      `UPDATE campaign_recipients r SET custom_message = 'Oi' FROM campaigns c WHERE c.audience_id = r.audience_id AND c.id = $1`,
      [id],
    );
    expect((await own.call('POST', `/${id}/submit`, director())).status).toBe(200);
  });
});

describe('nobody approves their own', () => {
  const refusedTo = async (id: string, as: { token: string }): Promise<void> => {
    const { status, body } = await approve(id, as);
    expect([status, body.code, body.reason]).toEqual([403, 'FORBIDDEN', 'own_campaign']);
    expect(await stateOf(id)).toBe('PENDING_APPROVAL');
  };

  test('who created it', async () => refusedTo(await submitted(), director()));

  test('who edited it', async () => {
    const editor = await api.person(own.tenant.companyId, 'DIRECTOR');
    const id = await own.draft();
    await ok(own.call('PATCH', `/${id}`, editor, { name: 'Editada' }));
    await ok(own.call('POST', `/${id}/submit`, director()));
    await refusedTo(id, editor);
    expect((await approve(id)).status).toBe(200);
  });

  test('who uploaded the audience', async () => {
    const uploader = await api.person(own.tenant.companyId, 'DIRECTOR');
    const id = await own.draft({ recipients: 0 });
    const spec = { recipients: 2, uploadedBy: uploader.id };
    await giveAudience(api.deps.db, own.tenant.companyId, id, spec);
    await ok(own.call('POST', `/${id}/submit`, director()));
    await refusedTo(id, uploader);
  });

  test('who submitted it', async () => {
    const submitter = await api.person(own.tenant.companyId, 'DIRECTOR');
    const id = await own.draft();
    await ok(own.call('POST', `/${id}/submit`, submitter));
    await refusedTo(id, submitter);
  });

  test('a key that created it, whoever made that key, and their other keys', async () => {
    const scopes = ['campaigns:read', 'campaigns:write', 'campaigns:approve'] as const;
    const key = await api.key(director(), scopes);
    const sibling = await api.key(director(), scopes);
    const id = await own.draft({ by: key });
    await ok(own.call('POST', `/${id}/submit`, key));
    await refusedTo(id, key);
    await refusedTo(id, director());
    await refusedTo(id, sibling);
    expect((await approve(id)).status).toBe(200);
  });

  test('somebody else with a key of theirs can, where its scope says so', async () => {
    const id = await submitted();
    const reader = await api.key(own.approver, ['campaigns:read']);
    expect((await approve(id, reader)).status).toBe(403);
    const key = await api.key(own.approver, ['campaigns:read', 'campaigns:approve']);
    expect((await approve(id, key)).status).toBe(200);
    const { body } = await own.call('GET', `/${id}`, director());
    expect(body.approval.approved.by).toEqual({ id: key.id, name: 'Chave de teste' });
  });
});

describe('an approval', () => {
  test('opens one execution that is cut, priced and told to the engine', async () => {
    const { id, executionId } = await own.approved({ recipients: 1_234 });
    const [execution] = await sql('SELECT * FROM campaign_executions WHERE id = $1', [executionId]);
    expect(execution).toMatchObject({ state: 'PENDING', price: '0.0500', recipients: 1_234 });
    const told = await sql('SELECT topic FROM outbox WHERE subject_id = $1', [executionId]);
    expect(told).toEqual([{ topic: 'execution' }]);
    const actions = (await auditOf(api.deps.db, own.tenant.companyId, id)).map(
      (each) => each.action,
    );
    expect(actions).toEqual(['campaign.create', 'campaign.submit', 'campaign.approve']);
  });

  test('of a version that is not the one submitted is refused', async () => {
    const id = await submitted();
    const { approval } = await ok(own.call('GET', `/${id}`, own.approver));
    expect((await approve(id, own.approver, { version: 'outra' })).status).toBe(409);
    const { version } = approval.submission;
    expect((await approve(id, own.approver, { version })).status).toBe(200);
  });

  test('by two at once happens once', async () => {
    const id = await submitted();
    const other = await api.person(own.tenant.companyId, 'DIRECTOR');
    const answers = await Promise.all([approve(id), approve(id, other)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
    const executions = await sql('SELECT id FROM campaign_executions WHERE campaign_id = $1', [id]);
    expect(executions).toHaveLength(1);
  });

  test.each<[string, string, string, (c: Campaigner) => unknown[]]>([
    [
      'price',
      'price',
      'UPDATE brokers SET cost_per_message = 0.06 WHERE id = $1',
      (c) => [c.means.brokerId],
    ],
    [
      'template',
      'message',
      `UPDATE templates SET content = 'Outro texto' WHERE company_id = $1`,
      (c) => [c.tenant.companyId],
    ],
    [
      'fish',
      'fish',
      `INSERT INTO fish_contacts (company_id, name, phone) VALUES ($1, 'Bia', '+5511988887777')`,
      (c) => [c.tenant.companyId],
    ],
    [
      'audience',
      'audience',
      `UPDATE campaign_recipients SET units = 3 WHERE company_id = $1 AND position = 0`,
      (c) => [c.tenant.companyId],
    ],
  ])('is refused when the %s is not as it was submitted', async (_, changed, change, values) => {
    const company = await startCampaigner(api, await api.tenant());
    const { companyId } = company.tenant;
    const template = await withTenant(api.deps.db, companyId, (tx) =>
      tx.template.create({
        data: { companyId, name: 'Oi', templateCode: 'oi', content: 'Bom dia' },
      }),
    );
    const id = await company.draft({ fields: { templateId: template.id } });
    await ok(company.call('POST', `/${id}/submit`, company.tenant.director));
    await sql(change, values(company));
    const refused = await company.call('POST', `/${id}/approve`, company.approver);
    expect(refused.status).toBe(409);
    expect(refused.body.changed).toContain(changed);
    const reason = { reason: 'Mudou' };
    await ok(company.call('POST', `/${id}/reject`, company.approver, reason));
    await ok(company.call('POST', `/${id}/submit`, company.tenant.director));
    expect((await company.call('POST', `/${id}/approve`, company.approver)).status).toBe(200);
  });

  test('is refused after the deadline', async () => {
    const sendUntil = new Date(Date.now() + 3_000).toISOString();
    const id = await own.draft({ fields: { sendUntil } });
    await ok(own.call('POST', `/${id}/submit`, director()));
    await until('the deadline has passed', () => Date.now() > Date.parse(sendUntil));
    const refused = await approve(id);
    expect([refused.status, pointers(refused)]).toEqual([409, ['/sendUntil']]);
  });
});

test('a rejection is a draft again, with the reason until it is submitted again', async () => {
  const id = await submitted();
  expect((await own.call('POST', `/${id}/reject`, own.approver, {})).status).toBe(400);
  const reason = 'Falta o nome da empresa';
  const rejected = await own.call('POST', `/${id}/reject`, own.approver, { reason });
  expect(rejected.body).toEqual({ id, state: 'DRAFT', executionId: null });
  const { approval } = await ok(own.call('GET', `/${id}`, director()));
  expect(approval).toMatchObject({ submission: null, rejected: { reason } });
  expect(approval.rejected.by.id).toBe(own.approver.id);
  const again = await ok(own.call('POST', `/${id}/submit`, director()));
  expect(again.approval.rejected).toEqual({ by: null, at: null, reason: null });
});

test('a schedule is shown as what it waits for', async () => {
  const scheduledAt = new Date(Date.now() + 86_400_000).toISOString();
  const { id } = await own.approved({ fields: { scheduledAt } });
  const { progress, execution } = await ok(own.call('GET', `/${id}`, director()));
  expect(execution.type).toBe('scheduled');
  expect(progress.waiting).toEqual({
    reason: 'schedule',
    until: scheduledAt,
    note: null,
    by: null,
  });
});

test('quiet hours of the company that leave no time are found when it is submitted', async () => {
  const company = await startCampaigner(api, await api.tenant());
  const settings = JSON.stringify({ quietHours: { start: '20:00', end: '08:00' } });
  const { companyId, director: as } = company.tenant;
  await sql('UPDATE companies SET settings = $2 WHERE id = $1', [companyId, settings]);
  const sendWindow = { days: [1, 2, 3], start: '21:00', end: '23:00' };
  const id = await company.draft({ fields: { sendWindow } });
  const refused = await company.call('POST', `/${id}/submit`, as);
  expect([refused.status, pointers(refused)]).toEqual([409, ['/sendWindow']]);
});
