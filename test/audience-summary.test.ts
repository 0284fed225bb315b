import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { csvOf, openAudienceDesk, type AudienceDesk } from './support/audiences';
import { ok } from './support/campaigns';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

const example = (name: string): Promise<Buffer> => readFile(join(__dirname, '../examples', name));

describe('the summary of the example', () => {
  test('adds up, with the blocklist and a budget', async () => {
    const { tenant, api } = desk;
    const text = 'Olá {{primeiro_nome}}, temos uma proposta de {{valor}} para você.';
    const id = await desk.draft({ baseMessage: text, throttlingType: 'none' });
    await ok(
      api.request('PUT', '/v1/blocklist/import', {
        as: tenant.director,
        body: await example('bloqueados.csv'),
        headers: { 'content-type': 'text/csv' },
      }),
    );
    const optOut = { channel: 'sms', address: '+5598900205903' };
    await ok(api.request('POST', '/v1/opt-outs', { as: tenant.director, body: optOut }));
    const fish = { name: 'Controle', phone: '+5511999990001' };
    await ok(api.request('POST', '/v1/fish', { as: tenant.director, body: fish }));
    const audience = await ok(desk.put(id, await example('campanha.csv')));
    const summary = await ok(desk.get(id, '/summary'));
    const sum = (counts: Record<string, number>): number =>
      Object.values(counts).reduce((total, n) => total + n, 0);
    expect(summary.total).toBe(audience.rows);
    expect(summary.total).toBe(summary.valid + summary.duplicates + sum(summary.invalid));
    expect(summary.blocked).toEqual({ blocklist: 15, optOuts: 1 });
    expect(summary.missingVariables.people).toBeGreaterThan(0);
    expect(summary.missingVariables.byVariable).toEqual({ valor: summary.missingVariables.people });
    expect(summary.valid).toBe(
      summary.sendable + sum(summary.blocked) + summary.missingVariables.people,
    );
    expect(sum(summary.segments)).toBe(summary.valid - summary.missingVariables.people);
    expect(sum(summary.encodings)).toBe(sum(summary.segments));
    const zones = summary.timeZones.map((zone: { recipients: number }) => zone.recipients);
    expect(sum(zones)).toBe(summary.valid);
    expect(summary.timeZones.length).toBeGreaterThan(5);
    expect(summary.fish).toEqual({ contacts: 1, units: 1 });
    expect(summary.units).toBe(summary.sendable + 1);
    expect(summary.estimatedCost).toBe((summary.units * 0.05).toFixed(4));
    expect(summary.budget).toMatchObject({
      budget: '1000.0000',
      remaining: '1000.0000',
      enough: true,
    });
    expect(summary).toMatchObject({ assessed: true, estimatedSeconds: null, currency: 'BRL' });
  });

  test('says how long it takes, and that there is no money without a budget', async () => {
    const today = new Date();
    const firstOf = (months: number): string =>
      new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + months, 1, 2)).toISOString();
    const id = await desk.draft({
      throttlingType: 'random',
      throttlingConfig: { delayLimit: 1, maxRandom: 3 },
      scheduledAt: firstOf(6),
    });
    await ok(desk.put(id, csvOf(10)));
    const summary = await ok(desk.get(id, '/summary'));
    expect(summary.estimatedSeconds).toBe(2 * (10 + summary.fish.contacts));
    // Still the month before in São Paulo.
    expect(summary.budget).toEqual({
      month: firstOf(5).slice(0, 7),
      budget: null,
      used: null,
      reserved: null,
      remaining: null,
      enough: false,
    });
  });

  test('is a conflict while there is no audience', async () => {
    expect((await desk.get(await desk.draft(), '/summary')).status).toBe(409);
  });
});

test('the preview renders the first five people who can be sent to', async () => {
  const { api, tenant } = desk;
  const id = await desk.draft({ baseMessage: 'Olá {{nome}}: {{valor}}' });
  const path = `/v1/campaigns/${id}/preview`;
  expect(await ok(api.request('GET', path, { as: tenant.agent }))).toEqual({ items: [] });
  const rows = [0, 1, 2, 3, 4, 5, 6, 7].map(
    (n) => `219870000${n}0;Pessoa ${n};${n === 1 ? '' : `R$ ${n}`}`,
  );
  await ok(desk.put(id, ['telefone;nome;valor', ...rows].join('\n')));
  const block = { phone: '21987000020' };
  await ok(api.request('POST', '/v1/blocklist', { as: tenant.director, body: block }));
  const { items } = await ok(api.request('GET', path, { as: tenant.agent }));
  expect(items.map(({ position }: { position: number }) => position)).toEqual([0, 3, 4, 5, 6]);
  expect(items[0]).toEqual({
    position: 0,
    address: '+5521987000000',
    nome: 'Pessoa 0',
    text: 'Olá Pessoa 0: R$ 0',
    sms: { encoding: 'ucs2', units: 18, segments: 1 },
    cost: '0.0500',
  });
});
