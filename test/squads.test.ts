import { startTestApi, type Answer, type TestApi } from './support/api';
import { auditOf } from './support/audit';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const call = (method: string, path: string, body?: object, as = api.first.director) =>
  api.request(method, `/v1/squads${path}`, { as, ...(body === undefined ? {} : { body }) });
let squads = 0;
const create = (fields: object = {}): Promise<Answer> =>
  call('POST', '', { name: `Squad ${(squads += 1)}`, type: 'sales', ...fields });

test('a squad is created, read, changed and deleted, and each change is audited', async () => {
  const created = await create({ name: 'Cobrança Sul', targetMonthly: '150000.5' });
  expect(created.status).toBe(201);
  const { id } = created.body;
  const shown = { name: 'Cobrança Sul', type: 'sales', targetMonthly: '150000.50' };
  expect((await call('GET', `/${id}`, undefined, api.first.agent)).body).toMatchObject(shown);
  const changed = await call('PATCH', `/${id}`, { type: 'cs', targetMonthly: null });
  expect(changed.body).toMatchObject({ ...shown, type: 'cs', targetMonthly: null });
  expect((await call('DELETE', `/${id}`)).status).toBe(204);
  expect((await call('GET', `/${id}`)).status).toBe(404);
  const lines = await auditOf(api.deps.db, api.first.companyId, id);
  expect(lines.map(({ action }) => action)).toEqual([
    'squad.create',
    'squad.update',
    'squad.delete',
  ]);
  expect(lines[1]).toMatchObject({
    changes: { before: { type: 'sales', targetMonthly: '150000.5' }, after: { type: 'cs' } },
  });
});

test('names are unique in a company and free in another', async () => {
  const { name, id } = (await create()).body;
  const again = await create({ name });
  expect(again.status).toBe(409);
  expect(again.body.errors).toEqual([{ pointer: '/name', detail: 'is taken' }]);
  const other = await create();
  expect((await call('PATCH', `/${other.body.id}`, { name })).status).toBe(409);
  expect((await call('PATCH', `/${id}`, { name })).status).toBe(200);
  const theirs = { name, type: 'sales' };
  expect((await call('POST', '', theirs, api.second.director)).status).toBe(201);
});

test.each([
  [{ name: '' }, '/name'],
  [{ type: 'marketing' }, '/type'],
  [{ targetMonthly: 1500.5 }, '/targetMonthly'],
  [{ targetMonthly: '-1' }, '/targetMonthly'],
  [{ targetMonthly: '1.005' }, '/targetMonthly'],
  [{ leader: 'x' }, '/leader'],
])('bad input %j is pointed at', async (fields, pointer) => {
  const answer = await create(fields);
  expect(answer.status).toBe(400);
  expect(answer.body.errors).toEqual([expect.objectContaining({ pointer })]);
});

test('the list is filtered by text, in which % and _ are themselves, and by type', async () => {
  await create({ name: 'Lista Norte', type: 'pre_sales' });
  await create({ name: 'Lista Leste', type: 'cs' });
  const names = async (query: string): Promise<string[]> =>
    (await call('GET', `?${query}`)).body.items.map(({ name }: { name: string }) => name);
  expect(await names('text=lista')).toEqual(['Lista Leste', 'Lista Norte']);
  expect(await names('text=lista&type=cs')).toEqual(['Lista Leste']);
  expect(await names('text=lista_')).toEqual([]);
  expect(await names('text=l%25a')).toEqual([]);
});

describe('members', () => {
  test('join, lead, and leave', async () => {
    const { id } = (await create()).body;
    const { agent, manager } = api.first;
    const joined = await call('POST', `/${id}/members`, { userId: agent.id });
    expect(joined.status).toBe(201);
    expect(joined.body).toMatchObject({ userId: agent.id, email: agent.email, isLeader: false });
    await call('POST', `/${id}/members`, { userId: manager.id, isLeader: true });
    const led = await call('PATCH', `/${id}/members/${agent.id}`, { isLeader: true });
    expect(led.body).toMatchObject({ userId: agent.id, isLeader: true });
    const list = await call('GET', `/${id}/members`);
    expect(list.body.items.map(({ userId }: { userId: string }) => userId)).toEqual([
      manager.id,
      agent.id,
    ]);
    expect((await call('DELETE', `/${id}/members/${agent.id}`)).status).toBe(204);
    expect((await call('DELETE', `/${id}/members/${agent.id}`)).status).toBe(404);
    const lines = await auditOf(api.deps.db, api.first.companyId, id);
    expect(lines.map(({ action }) => action)).toEqual([
      'squad.create',
      'squad.add_member',
      'squad.add_member',
      'squad.update_member',
      'squad.remove_member',
    ]);
    expect(lines[3]).toMatchObject({
      changes: { before: { userId: agent.id, isLeader: false }, after: { isLeader: true } },
    });
  });

  test('can be in several squads, once in each', async () => {
    const [first, second] = [(await create()).body, (await create()).body];
    const userId = api.first.agent.id;
    for (const { id } of [first, second])
      expect((await call('POST', `/${id}/members`, { userId })).status).toBe(201);
    const again = await call('POST', `/${first.id}/members`, { userId });
    expect(again.status).toBe(409);
    expect(again.body.errors[0].pointer).toBe('/userId');
  });

  test('are people of the company', async () => {
    const { id } = (await create()).body;
    const answer = await call('POST', `/${id}/members`, { userId: api.second.agent.id });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([
      { pointer: '/userId', detail: 'is not a user of the company' },
    ]);
  });

  test('of a deleted squad lose nothing but it', async () => {
    const { id } = (await create()).body;
    await call('POST', `/${id}/members`, { userId: api.first.agent.id });
    expect((await call('DELETE', `/${id}`)).status).toBe(204);
    const me = await api.request('GET', '/v1/me', { as: api.first.agent });
    expect(me.body.user.status).toBe('ACTIVE');
  });
});
