import { request } from 'node:http';
import { csvOf, openAudienceDesk, type AudienceDesk } from './support/audiences';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

test.each([
  ['an audience', async () => `/v1/campaigns/${await desk.draft()}/audience`],
  ['a blocklist', async () => '/v1/blocklist/import'],
])('%s whose client falls silent for a minute is given up', async (_, path) => {
  const call = request(`${desk.api.url}${await path()}`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${desk.tenant.director.token}`,
      'content-type': 'text/csv',
    },
  });
  const ended = new Promise((resolve) => {
    call.on('error', () => resolve('ended'));
    call.on('response', () => resolve('ended'));
  });
  call.write(csvOf(10));
  const now = Date.now;
  let aheadMs = 0;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + (aheadMs += 61_000));
  expect(await ended).toBe('ended');
  clock.mockRestore();
  call.destroy();
});
