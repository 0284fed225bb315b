import { companySettings, isCurrency, isTimeZone } from '../domain/companies';
import { startTestApi, type Answer, type TestApi } from './support/api';
import { auditOf } from './support/audit';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const patch = (body: object): Promise<Answer> =>
  api.request('PATCH', '/v1/company', { as: api.first.director, body });
const create = (body: object): Promise<Answer> =>
  api.request('POST', '/v1/companies', { as: api.admin, body });

describe('one’s company', () => {
  test('has the defaults of the requirement', async () => {
    const { body } = await api.request('GET', '/v1/company', { as: api.first.agent });
    expect(body).toMatchObject({
      id: api.first.companyId,
      slug: api.first.slug,
      timeZone: 'America/Sao_Paulo',
      currency: 'BRL',
      domain: null,
      features: {
        aiAnalysis: true,
        bots: true,
        autoCrmFill: true,
        playbookGeneration: true,
        rankingVisibility: false,
      },
      settings: {
        pollingInterval: 300,
        backupInterval: 'daily',
        quietHours: null,
        frequencyCap: null,
        defaultCountry: 'BR',
      },
    });
  });

  test('changes field by field and setting by setting', async () => {
    const quietHours = { start: '21:00', end: '08:00' };
    await patch({ settings: { quietHours, pollingInterval: 60 } });
    await patch({ settings: { frequencyCap: { max: 2, periodHours: 24 } } });
    await patch({ features: { bots: false }, timeZone: 'America/Manaus', currency: 'USD' });
    const { body } = await patch({ domain: 'Aurora.com.br', settings: { pollingInterval: 120 } });
    expect(body).toMatchObject({
      domain: 'aurora.com.br',
      timeZone: 'America/Manaus',
      currency: 'USD',
      features: { bots: false, aiAnalysis: true },
      settings: { quietHours, frequencyCap: { max: 2, periodHours: 24 }, pollingInterval: 120 },
    });
    const lines = await auditOf(api.deps.db, api.first.companyId, api.first.companyId);
    expect(lines).toHaveLength(4);
    expect(lines[3]).toMatchObject({
      action: 'company.update',
      changes: { before: { domain: null }, after: { domain: 'aurora.com.br' } },
    });
  });

  test('keeps two changes that are made at once', async () => {
    await Promise.all([
      patch({ settings: { pollingInterval: 90 } }),
      patch({ settings: { backupInterval: 'weekly' } }),
      patch({ settings: { defaultCountry: 'PT' } }),
    ]);
    const { body } = await patch({});
    const settings = { pollingInterval: 90, backupInterval: 'weekly', defaultCountry: 'PT' };
    expect(body.settings).toMatchObject(settings);
  });

  test.each([
    [{ timeZone: 'America/Gotham' }, '/timeZone'],
    [{ timeZone: '+03:00' }, '/timeZone'],
    [{ currency: 'brl' }, '/currency'],
    [{ currency: 'ZZZ' }, '/currency'],
    [{ domain: 'https://aurora.com' }, '/domain'],
    [{ slug: 'novo' }, '/slug'],
    [{ settings: { pollingInterval: 1 } }, '/settings/pollingInterval'],
    [{ settings: { quietHours: { start: '25:00', end: '08:00' } } }, '/settings/quietHours/start'],
    [{ settings: { quietHours: { start: '08:00', end: '08:00' } } }, '/settings/quietHours/end'],
    [{ settings: { frequencyCap: { max: 0, periodHours: 1 } } }, '/settings/frequencyCap/max'],
    [{ settings: { defaultCountry: 'Brasil' } }, '/settings/defaultCountry'],
    [{ settings: { colour: 'red' } }, '/settings/colour'],
    [{ features: { bots: 'yes' } }, '/features/bots'],
  ])('refuses %j', async (body, pointer) => {
    const answer = await patch(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer })]);
  });
});

describe('companies', () => {
  test('are made by an ADMIN, who then acts in them', async () => {
    const slug = 'cobranca-boreal';
    const made = await create({ slug, name: 'Cobrança Boreal', timeZone: 'America/Bahia' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ slug, timeZone: 'America/Bahia', currency: 'BRL' });
    const director = await api.request('POST', '/v1/users', {
      as: api.admin,
      headers: { 'x-company': slug },
      body: { name: 'Vera', email: 'vera@boreal.example', role: 'DIRECTOR' },
    });
    expect(director.status).toBe(201);
    const [line] = await auditOf(api.deps.db, made.body.id, made.body.id);
    expect(line).toMatchObject({ action: 'company.create', actorId: api.admin.id });
    const again = await create({ slug, name: 'Outra' });
    expect(again.status).toBe(409);
    expect(again.body.errors).toEqual([{ pointer: '/slug', detail: 'is taken' }]);
  });

  test('are made once for one Idempotency-Key', async () => {
    const request = () =>
      api.request('POST', '/v1/companies', {
        as: api.admin,
        headers: { 'idempotency-key': 'boreal-2' },
        body: { slug: 'boreal-2', name: 'Boreal 2' },
      });
    const [made, repeated] = [await request(), await request()];
    expect(made.status).toBe(201);
    expect(repeated.status).toBe(201);
    expect(repeated.body).toEqual(made.body);
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
  });

  test.each([
    ['Aurora', 400],
    ['-aurora', 400],
    ['a'.repeat(51), 400],
    ['01890a5d-ac96-774b-bcce-b302099a8057', 400],
    ['regente', 409],
  ])('cannot have the slug %s', async (slug, status) => {
    const answer = await create({ slug, name: 'Aurora' });
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].pointer).toBe('/slug');
  });

  test('are listed for an ADMIN, newest first, by page and by text', async () => {
    for (const slug of ['lista-1', 'lista-2', 'lista-3'])
      await create({ slug, name: `Da ${slug}` });
    const list = (query: string): Promise<Answer> =>
      api.request('GET', `/v1/companies?${query}`, { as: api.admin });
    const first = (await list('text=LISTA-&limit=2')).body;
    expect(first.items.map(({ slug }: { slug: string }) => slug)).toEqual(['lista-3', 'lista-2']);
    const second = (await list(`text=LISTA-&limit=2&cursor=${first.nextCursor}`)).body;
    expect(second).toMatchObject({ items: [{ slug: 'lista-1' }], nextCursor: null });
    expect((await list('text=%25')).body.items).toEqual([]);
    const all = (await list('limit=200')).body.items.map(({ slug }: { slug: string }) => slug);
    expect(all).toEqual(expect.arrayContaining([api.first.slug, api.second.slug, 'regente']));
  });
});

test.each([
  ['America/Sao_Paulo', true],
  ['UTC', true],
  ['Etc/GMT+3', true],
  ['America/Argentina/Buenos_Aires', true],
  ['-03:00', false],
  ['Brasilia', false],
  ['', false],
])('%s is a time zone: %s', (name, expected) => {
  expect(isTimeZone(name)).toBe(expected);
});

test.each([
  ['BRL', true],
  ['EUR', true],
  ['BR', false],
  ['real', false],
])('%s is a currency: %s', (code, expected) => {
  expect(isCurrency(code)).toBe(expected);
});

test('settings that were never changed have their defaults', () => {
  expect(companySettings({ pollingInterval: 60 })).toMatchObject({
    pollingInterval: 60,
    quietHours: null,
  });
});
