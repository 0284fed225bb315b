import { startTestApi, type TestApi } from './support/api';
import { ok, startCampaigner, type Campaigner } from './support/campaigns';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

test('every manager sees what a key created, finds it by the key, and can approve it', async () => {
  const { director, companyId } = own.tenant;
  const key = await api.key(director, ['campaigns:read', 'campaigns:write']);
  const [id, people] = [await own.draft({ by: key }), await own.draft()];
  await ok(own.call('POST', `/${id}/submit`, key));
  await ok(own.call('POST', `/${people}/submit`, director));
  const manager = await api.person(companyId, 'MANAGER');
  const agent = await api.person(companyId, 'AGENT');
  for (const filter of ['awaitingMyApproval=true', `apiKeyId=${key.id}`]) {
    const { items } = await ok(own.call('GET', `?limit=100&${filter}`, manager));
    expect(items.map((item: { id: string }) => item.id)).toEqual([id]);
  }
  const ofAnother = await ok(own.call('GET', `?apiKeyId=${people}`, manager));
  expect(ofAnother.items).toEqual([]);
  const seen = await ok(own.call('GET', `/${id}`, manager));
  expect(seen.approval.mayApprove).toBe(true);
  expect((await own.call('GET', `/${id}`, agent)).status).toBe(404);
  expect((await own.call('POST', `/${id}/approve`, director)).status).toBe(403);
  expect((await own.call('POST', `/${id}/approve`, manager)).status).toBe(200);
});
