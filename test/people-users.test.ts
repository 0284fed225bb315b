import { startTestApi, type TestApi, type TestTenant } from './support/api';
import { auditOf } from './support/audit';
import { query } from './support/database';
import { until } from './support/until';

let api: TestApi;
let first: TestTenant;
beforeAll(async () => {
  api = await startTestApi();
  ({ first } = api);
});
afterAll(() => api.close());

let people = 0;
const newEmail = (): string => `pessoa.${(people += 1)}@example.com`;
const invite = (as: { token: string }, fields: object = {}) =>
  api.request('POST', '/v1/users', {
    as,
    body: { name: 'Rita Alves', email: newEmail(), role: 'AGENT', ...fields },
  });
const act = (as: { token: string }, id: string, verb: string) =>
  api.request('POST', `/v1/users/${id}/${verb}`, { as });
const change = (as: { token: string }, id: string, body: object) =>
  api.request('PATCH', `/v1/users/${id}`, { as, body });
const me = ({ token }: { token: string }) => api.request('GET', '/v1/me', { as: { token } });

describe('a person', () => {
  test('has every field, and a life of created, read, changed', async () => {
    const fields = {
      name: 'Rita Alves',
      email: 'Rita.Alves@Example.com',
      role: 'MANAGER',
      area: 'CX_CS',
      linkedin: 'https://www.linkedin.com/in/rita',
      avatarUrl: 'https://example.com/rita.png',
    };
    const created = await invite(first.director, fields);
    expect(created.status).toBe(201);
    const shown = {
      ...fields,
      email: 'rita.alves@example.com',
      status: 'INVITED',
      lastLoginAt: null,
    };
    expect(created.body).toMatchObject(shown);
    const { invitationMail: _, ...user } = created.body;
    const { id } = user;
    expect((await api.request('GET', `/v1/users/${id}`, { as: first.manager })).body).toEqual(user);
    const changed = await change(first.director, id, { area: 'GTM', linkedin: null });
    expect(changed.body).toMatchObject({ ...shown, area: 'GTM', linkedin: null });
    const lines = await auditOf(api.deps.db, first.companyId, id);
    expect(lines.map(({ action }) => action)).toEqual(['user.create', 'user.update']);
    expect(lines[1]).toMatchObject({
      actorType: 'user',
      actorId: first.director.id,
      ipAddress: '127.0.0.1',
      changes: { before: { area: 'CX_CS' }, after: { area: 'GTM' } },
    });
  });

  test('has an e-mail address of their own, across companies and in any case', async () => {
    const email = newEmail();
    expect((await invite(first.director, { email })).status).toBe(201);
    const again = await invite(api.second.director, { email: email.toUpperCase() });
    expect(again.status).toBe(409);
    expect(again.body.errors).toEqual([{ pointer: '/email', detail: 'is taken' }]);
    const other = await invite(first.director);
    const renamed = await change(first.director, other.body.id, { email });
    expect(renamed).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
  });

  test.each([
    ['name', ' '],
    ['name', 'Rita\u0000'],
    ['email', 'rita'],
    ['role', 'BOSS'],
    ['area', 'LEGAL'],
    ['linkedin', 'javascript:alert(1)'],
    ['avatarUrl', 'rita.png'],
    ['status', 'ACTIVE'],
    ['passwordHash', 'x'],
  ])('is refused with a bad %s', async (field, value) => {
    const answer = await invite(first.director, { [field]: value });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: `/${field}` })]);
  });

  test('who was never active can be deleted, anybody else cannot', async () => {
    const { id } = (await invite(first.director)).body;
    const remove = (who: string) =>
      api.request('DELETE', `/v1/users/${who}`, { as: first.director });
    expect((await remove(id)).status).toBe(204);
    expect((await remove(id)).status).toBe(404);
    const refused = await remove(first.agent.id);
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ status: 409, allowedFrom: ['INVITED'] });
  });
});

describe('the list of people', () => {
  test('is filtered by status, role, area and text, and paged', async () => {
    const tenant = await api.tenant();
    for (const [name, role, area] of [
      ['Zélia Prado', 'AGENT', 'GTM'],
      ['Zeca Prado', 'MANAGER', 'GTM'],
      ['Otto Lima', 'AGENT', 'MARKETING'],
    ])
      await invite(tenant.director, { name, role, area });
    const names = async (filter: string): Promise<string[]> => {
      const { body } = await api.request('GET', `/v1/users?${filter}`, { as: tenant.manager });
      return body.items.map(({ name }: { name: string }) => name);
    };
    expect(await names('text=prado')).toEqual(['Zeca Prado', 'Zélia Prado']);
    expect(await names('text=prado&role=AGENT')).toEqual(['Zélia Prado']);
    expect(await names('area=MARKETING')).toEqual(['Otto Lima']);
    expect(await names('status=INVITED&area=GTM')).toHaveLength(2);
    expect(await names('status=ACTIVE')).toHaveLength(3);
    expect(await names(`text=${encodeURIComponent(`' OR 1=1 --`)}`)).toEqual([]);
    expect(await names('text=z%25a_prado')).toEqual([]);

    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.request('GET', `/v1/users?limit=4${cursor}`, {
        as: tenant.director,
      });
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(new Set(seen).size).toBe(6);
    expect(seen).toHaveLength(6);
  });

  test.each(['status=GONE', 'limit=0', 'limit=201', 'cursor=abc', 'text=%00'])(
    'refuses ?%s',
    async (filter) => {
      const answer = await api.request('GET', `/v1/users?${filter}`, { as: first.director });
      expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
    },
  );
});

describe('somebody who is deactivated', () => {
  test('loses every session, key and token at once, and gets none of them back', async () => {
    const person = await api.person(first.companyId, 'DIRECTOR');
    const key = await api.key(person, ['wallets:read']);
    const wallets = () => api.request('GET', '/v1/wallets', { as: key });
    await api.request('POST', '/v1/password-resets', { body: { email: person.email } });
    const usable = () =>
      query(
        api.database.adminUrl,
        'SELECT FROM verification_tokens WHERE user_id = $1 AND used_at IS NULL',
        [person.id],
      );
    await until('the reset is on its way', async () => (await usable()).length === 1);
    expect([(await me(person)).status, (await wallets()).status]).toEqual([200, 200]);

    const answer = await act(first.director, person.id, 'deactivate');
    expect(answer).toMatchObject({ status: 200, body: { status: 'INACTIVE' } });
    expect([(await me(person)).status, (await wallets()).status]).toEqual([401, 401]);
    const login = { email: person.email, password: person.password };
    expect((await api.request('POST', '/v1/sessions', { body: login })).status).toBe(401);

    expect((await act(first.director, person.id, 'activate')).body.status).toBe('ACTIVE');
    expect([(await me(person)).status, (await wallets()).status]).toEqual([401, 401]);
    expect((await api.request('POST', '/v1/sessions', { body: login })).status).toBe(201);
    expect(await usable()).toEqual([]);
  });

  test('was ACTIVE before, and becomes so again only from INACTIVE', async () => {
    const { id } = (await invite(first.director)).body;
    expect((await act(first.director, id, 'deactivate')).body).toMatchObject({
      status: 409,
      allowedFrom: ['ACTIVE'],
    });
    expect((await act(first.director, first.agent.id, 'activate')).body).toMatchObject({
      status: 409,
      allowedFrom: ['INACTIVE'],
    });
  });
});

describe('roles', () => {
  test('nobody makes an ADMIN but an ADMIN, and only for the platform', async () => {
    expect((await invite(first.director, { role: 'ADMIN' })).status).toBe(403);
    expect((await change(first.director, first.agent.id, { role: 'ADMIN' })).status).toBe(403);
    const elsewhere = await api.request('POST', '/v1/users', {
      as: api.admin,
      headers: { 'x-company': first.slug },
      body: { name: 'Davi', email: newEmail(), role: 'ADMIN' },
    });
    expect(elsewhere.status).toBe(400);
    expect(elsewhere.body.errors[0].pointer).toBe('/role');
    expect((await invite(api.admin, { role: 'ADMIN' })).status).toBe(201);
  });

  test('a director cannot touch an ADMIN', async () => {
    const { companyId } = api.admin;
    const director = await api.person(companyId, 'DIRECTOR');
    for (const answer of [
      await change(director, api.admin.id, { name: 'Outro' }),
      await act(director, api.admin.id, 'deactivate'),
    ])
      expect(answer.status).toBe(403);
    expect((await me(api.admin)).status).toBe(200);
  });

  test('a key gives no role above its maker’s, and never ADMIN', async () => {
    const director = await api.key(first.director, ['users:write']);
    expect((await invite(director, { role: 'DIRECTOR' })).status).toBe(201);
    const manager = await api.key(first.manager, ['users:write']);
    expect((await invite(manager, { role: 'DIRECTOR' })).status).toBe(403);
    expect((await invite(manager, { role: 'MANAGER' })).status).toBe(201);
    expect((await change(manager, first.director.id, { name: 'Outra' })).status).toBe(403);
    const platform = await api.key(api.admin, ['users:write']);
    expect((await invite(platform, { role: 'ADMIN' })).status).toBe(403);
  });

  test('nobody demotes or deactivates themselves', async () => {
    const director = await api.person(first.companyId, 'DIRECTOR');
    expect((await change(director, director.id, { role: 'AGENT' })).status).toBe(403);
    expect((await act(director, director.id, 'deactivate')).status).toBe(403);
    expect((await change(director, director.id, { name: 'Nome Novo' })).status).toBe(200);
  });

  test('the last active director stays one', async () => {
    const tenant = await api.tenant();
    const asAdmin = (path: string, method: string, body?: object) =>
      api.request(method, path, {
        as: api.admin,
        headers: { 'x-company': tenant.slug },
        ...(body === undefined ? {} : { body }),
      });
    const path = `/v1/users/${tenant.director.id}`;
    expect((await asAdmin(`${path}/deactivate`, 'POST')).status).toBe(409);
    expect((await asAdmin(path, 'PATCH', { role: 'AGENT' })).status).toBe(409);
    const second = await api.person(tenant.companyId, 'DIRECTOR');
    expect((await asAdmin(path, 'PATCH', { role: 'AGENT' })).status).toBe(200);
    expect((await asAdmin(`/v1/users/${second.id}/deactivate`, 'POST')).status).toBe(409);
  });

  test('two directors who remove each other at once leave one', async () => {
    for (let round = 0; round < 5; round += 1) {
      const tenant = await api.tenant();
      const second = await api.person(tenant.companyId, 'DIRECTOR');
      const answers = await Promise.all([
        act(tenant.director, second.id, 'deactivate'),
        act(second, tenant.director.id, 'deactivate'),
      ]);
      const statuses = answers.map(({ status }) => status).sort((a, b) => a - b);
      // The slower one is refused as the last director, or as somebody whose session has just ended.
      expect([
        [200, 409],
        [200, 401],
      ]).toContainEqual(statuses);
    }
  });

  test('a demotion takes from the person’s keys what the new role lacks', async () => {
    const person = await api.person(first.companyId, 'DIRECTOR');
    const both = await api.key(person, ['wallets:read', 'wallets:write']);
    const only = await api.key(person, ['users:write']);
    await change(first.director, person.id, { role: 'AGENT' });
    const body = { name: 'Carteira', idgisAmbiente: 1 };
    expect((await api.request('GET', '/v1/wallets', { as: both })).status).toBe(200);
    expect((await api.request('POST', '/v1/wallets', { as: both, body })).status).toBe(403);
    expect((await api.request('GET', '/v1/wallets', { as: only })).status).toBe(401);
    expect((await me(person)).body.permissions).not.toContain('users:write');
  });
});

describe('an ADMIN', () => {
  test('acts in the company that the request names, and the audit there says so', async () => {
    const named = (slugOrId: string): Promise<{ body: { company: { id: string } } }> =>
      api.request('GET', '/v1/me', { as: api.admin, headers: { 'x-company': slugOrId } });
    expect((await named(first.slug)).body.company.id).toBe(first.companyId);
    expect((await named(first.companyId)).body.company.id).toBe(first.companyId);
    const created = await api.request('POST', '/v1/users', {
      as: api.admin,
      headers: { 'x-company': first.slug },
      body: { name: 'Nina', email: newEmail(), role: 'DIRECTOR' },
    });
    const [line] = await auditOf(api.deps.db, first.companyId, created.body.id);
    expect(line).toMatchObject({ actorType: 'user', actorId: api.admin.id });
  });

  test('is told of a company that does not exist', async () => {
    const answer = await api.request('GET', '/v1/me', {
      as: api.admin,
      headers: { 'x-company': 'nenhuma' },
    });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].pointer).toBe('/header/x-company');
  });

  test('is the only one who may name a company', async () => {
    const key = await api.key(first.director, ['wallets:read']);
    const others: { token: string }[] = [first.director, first.agent, key];
    for (const as of others) {
      const answer = await api.request('GET', '/v1/wallets', {
        as,
        headers: { 'x-company': api.second.slug },
      });
      expect(answer.status).toBe(403);
    }
  });
});
