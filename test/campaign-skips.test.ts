import { ok, startCampaignBench, type CampaignBench } from './support/campaigns';

let world: CampaignBench;
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
}, 300_000);
afterAll(() => world.stop());

test('who lacks a variable is skipped with its name, shown for each and counted as one reason', async () => {
  const own = await world.campaigner();
  const { director } = own.tenant;
  const fields = { baseMessage: '{{nome}} deve {{valor}}' };
  const id = await own.draft({ recipients: 0, fields });
  const items = [
    { telefone: '11987650001', nome: 'Ana', valor: 'R$ 10' },
    { telefone: '11987650002', nome: 'Bia' },
    { telefone: '11987650003', valor: 'R$ 30', vencimento: 'hoje' },
    { telefone: '11987650004', nome: 'Davi', valor: 'R$ 40', vencimento: 'hoje' },
  ];
  await ok(own.call('PUT', `/${id}/audience`, director, { items }));
  // Weighed again, with another message than at the upload.
  const baseMessage = '{{nome}} deve {{valor}} até {{vencimento}}';
  await ok(own.call('PATCH', `/${id}`, director, { baseMessage }));
  await ok(own.call('POST', `/${id}/submit`, director));
  await ok(own.call('POST', `/${id}/approve`, own.approver));
  await world.untilState(own, id, 'FINISHED');

  const people = await ok(own.call('GET', `/${id}/recipients`, director));
  expect(people.items.map(({ reason }: { reason: string | null }) => reason)).toEqual([
    'missing_variable:vencimento',
    'missing_variable:valor',
    'missing_variable:nome',
    null,
  ]);
  const reasons = await ok(own.call('GET', `/${id}/reasons`, director));
  expect(reasons.items).toEqual([
    { state: 'skipped', reason: 'missing_variable', isFish: false, people: 3 },
    { state: 'sent', reason: null, isFish: false, people: 1 },
  ]);
  for (const [reason, found] of [
    ['missing_variable', 3],
    ['missing_variable:valor', 1],
    ['blocklist', 0],
  ] as const) {
    const listed = await ok(own.call('GET', `/${id}/recipients?reason=${reason}`, director));
    expect(listed.items).toHaveLength(found);
  }
  const report = await own.call('GET', `/${id}/report.csv?state=skipped`, director);
  expect(report.body).toContain('missing_variable:valor');
});
