import { KEY_SCOPES } from '../domain/permissions';
import { startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { auditOf } from './support/audit';
import { query, withClient } from './support/database';
import { until } from './support/until';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const create = (fields: object = {}, headers: Record<string, string> = {}, as?: TestPerson) =>
  api.request('POST', '/v1/api-keys', {
    as: as ?? api.first.director,
    headers,
    body: { name: 'Integração', scopes: ['wallets:read'], ...fields },
  });
const wallets = (token: string): Promise<Answer> =>
  api.request('GET', '/v1/wallets', { as: { token } });
const remove = (id: string): Promise<Answer> =>
  api.request('DELETE', `/v1/api-keys/${id}`, { as: api.first.director });

test('a key is shown once, works within its scopes, and ends when it is revoked', async () => {
  const { status, body } = await create();
  expect(status).toBe(201);
  expect(body.key).toMatch(/^rgt_[\w-]{43}$/);
  expect(body).toMatchObject({ prefix: body.key.slice(0, 12), createdBy: api.first.director.id });
  expect((await wallets(body.key)).status).toBe(200);
  const wallet = { name: 'Carteira', idgisAmbiente: 1 };
  const write = await api.request('POST', '/v1/wallets', { as: { token: body.key }, body: wallet });
  expect(write).toMatchObject({ status: 403, body: { permission: 'wallets:write' } });

  const shown = await api.request('GET', `/v1/api-keys/${body.id}`, { as: api.first.director });
  expect(shown.body).toMatchObject({ prefix: body.prefix, lastUsedAt: expect.any(String) });
  expect(JSON.stringify(shown.body)).not.toContain(body.key);
  expect((await remove(body.id)).status).toBe(204);
  expect((await wallets(body.key)).status).toBe(401);
  expect((await remove(body.id)).status).toBe(204);
});

test('no key is kept where it could be read', async () => {
  const { body } = await create({}, { 'idempotency-key': 'chave-1' });
  const rows = await query<{ row: string }>(
    api.database.adminUrl,
    `SELECT k::text AS row FROM api_keys k UNION ALL SELECT a::text FROM audit_logs a
       UNION ALL SELECT i::text FROM idempotency_keys i`,
  );
  expect(rows.filter(({ row }) => row.includes(body.id)).length).toBeGreaterThanOrEqual(3);
  expect(rows.filter(({ row }) => row.includes(body.key))).toEqual([]);
  const [line] = await auditOf(api.deps.db, api.first.companyId, body.id);
  expect(line).toMatchObject({
    action: 'api_key.create',
    changes: { after: { keyHash: '[redacted]', scopes: ['wallets:read'] } },
  });
});

test('a repeated request makes no second key, and does not show the first one again', async () => {
  const first = await create({ name: 'Repetida' }, { 'idempotency-key': 'chave-2' });
  const again = await create({ name: 'Repetida' }, { 'idempotency-key': 'chave-2' });
  expect(again.status).toBe(201);
  expect(again.body).toEqual({ ...first.body, key: null });
});

test('scopes are a part of what its maker may do', async () => {
  const all = await create({ scopes: [...KEY_SCOPES] });
  expect(all.status).toBe(201);
  const platform = await create({ scopes: ['wallets:read', 'companies:manage'] });
  expect(platform.status).toBe(400);
  expect(platform.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
    '/scopes/1',
  ]);
  const admins = await create({ scopes: ['companies:manage'] }, {}, api.admin);
  expect(admins.status).toBe(400);
});

test('the audit of a demotion says which keys it has narrowed and ended', async () => {
  const person = await api.person(api.first.companyId, 'DIRECTOR');
  const narrowed = await api.key(person, ['wallets:read', 'wallets:write']);
  const ended = await api.key(person, ['users:write']);
  await api.key(person, ['wallets:read']);
  await api.request('PATCH', `/v1/users/${person.id}`, {
    as: api.first.director,
    body: { role: 'AGENT' },
  });
  const [line] = await auditOf(api.deps.db, api.first.companyId, person.id);
  const { after } = line!.changes as { after: { narrowedKeys: { id: string }[] } };
  const byId = new Map(after.narrowedKeys.map((key) => [key.id, key]));
  expect(byId).toEqual(
    new Map([
      [narrowed.id, { id: narrowed.id, scopes: ['wallets:read'] }],
      [ended.id, { id: ended.id, scopes: [] }],
    ]),
  );
});

test('nobody who is demoted at this moment keeps a key with more than the new role', async () => {
  const person = await api.person(api.first.companyId, 'DIRECTOR');
  await withClient(api.database.adminUrl, async (demoting) => {
    await demoting.query('BEGIN');
    await demoting.query(`UPDATE users SET role = 'AGENT' WHERE id = $1`, [person.id]);
    let isAnswered = false;
    const made = create({ scopes: ['users:write'] }, {}, person).finally(() => {
      isAnswered = true;
    });
    const waits = async (): Promise<boolean> => {
      const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return isAnswered || (await query(api.database.adminUrl, sql)).length > 0;
    };
    await until('it waits for the demotion', waits);
    await demoting.query('COMMIT');
    expect(await made).toMatchObject({ status: 403, body: { permission: 'keys:manage' } });
  });
});

test.each([
  [{ scopes: [] }, '/scopes'],
  [{ scopes: ['wallets:read', 'wallets:read'] }, '/scopes'],
  [{ scopes: ['everything'] }, '/scopes/0'],
  [{ name: '' }, '/name'],
  [{ expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
  [{ expiresAt: 'amanhã' }, '/expiresAt'],
])('bad input %j is pointed at', async (fields, pointer) => {
  const answer = await create(fields);
  expect(answer.status).toBe(400);
  expect(answer.body.errors).toEqual([expect.objectContaining({ pointer })]);
});

test('a key ends with its time', async () => {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await create({ expiresAt });
  expect(body.expiresAt).toBe(expiresAt);
  expect((await wallets(body.key)).status).toBe(200);
  await query(
    api.database.adminUrl,
    `UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`,
    [body.id],
  );
  expect((await wallets(body.key)).status).toBe(401);
});

test('a key makes no keys, and an ADMIN makes none in other companies', async () => {
  const manager = await api.key(api.first.director, ['keys:manage']);
  const list = await api.request('GET', '/v1/api-keys', { as: manager });
  expect(list.status).toBe(200);
  const body = { name: 'Filha', scopes: ['keys:manage'] };
  expect((await api.request('POST', '/v1/api-keys', { as: manager, body })).status).toBe(403);
  const headers = { 'x-company': api.first.slug };
  expect((await create({}, headers, api.admin)).status).toBe(403);
});

test('the list is filtered by maker and by whether a key works', async () => {
  const tenant = await api.tenant();
  const other = await api.person(tenant.companyId, 'DIRECTOR');
  const mine = await create({ name: 'Minha' }, {}, tenant.director);
  const gone = await create({ name: 'Antiga' }, {}, tenant.director);
  await create({ name: 'Alheia' }, {}, other);
  await api.request('DELETE', `/v1/api-keys/${gone.body.id}`, { as: tenant.director });
  const names = async (filter: string): Promise<string[]> => {
    const { body } = await api.request('GET', `/v1/api-keys?${filter}`, { as: tenant.director });
    expect(JSON.stringify(body)).not.toContain(mine.body.key);
    return body.items.map(({ name }: { name: string }) => name);
  };
  expect(await names('')).toEqual(['Alheia', 'Antiga', 'Minha']);
  expect(await names('createdBy=me')).toEqual(['Antiga', 'Minha']);
  expect(await names(`createdBy=${other.id}`)).toEqual(['Alheia']);
  expect(await names('live=true')).toEqual(['Alheia', 'Minha']);
  expect(await names('live=false')).toEqual(['Antiga']);
});

test('a key knows what it is', async () => {
  const key = await api.key(api.first.director, ['wallets:read']);
  const { body } = await api.request('GET', '/v1/me', { as: key });
  expect(body).toMatchObject({
    type: 'key',
    user: null,
    key: { id: key.id, name: 'Chave de teste' },
    company: { id: api.first.companyId },
    permissions: ['wallets:read'],
  });
});
