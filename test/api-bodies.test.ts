import { request } from 'node:http';
import { csvOf, openAudienceDesk, phoneOf, type AudienceDesk } from './support/audiences';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

const list = JSON.stringify({ items: [{ telefone: phoneOf(1) }] });

describe.each(['application/vnd.api+json', 'Application/HAL+JSON; charset=utf-8'])(
  'a body of the type %s',
  (type) => {
    const headers = { 'content-type': type };

    test('is taken for a list, and not for a file', async () => {
      const id = await desk.draft();
      const answer = await desk.put(id, list, { headers });
      expect(answer).toMatchObject({ status: 200, body: { source: 'list', recipients: 1 } });
    });

    test('is read to the limit of a list, and no further', async () => {
      const id = await desk.draft();
      const large = list + ' '.repeat(17 * 1_048_576);
      const refused = await desk.put(id, large, { headers });
      expect(refused).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } });
    });

    test('holds only text that can be stored', async () => {
      const refused = await desk.api.request('POST', '/v1/wallets', {
        as: desk.tenant.director,
        body: String.raw`{"name": "\ud83d", "idgisAmbiente": 77}`,
        headers,
      });
      expect(refused.status).toBe(400);
      expect(refused.body.errors[0].pointer).toBe('/name');
    });
  },
);

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
