import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { createListener } from '../api/listener';
import { csvOf, openAudienceDesk, phoneOf, type AudienceDesk } from './support/audiences';
import type { Answer } from './support/api';
import { query } from './support/database';
import { listen } from './support/listen';

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
  ['nobody', 401, undefined],
  ['somebody who may not', 403, () => desk.tenant.agent],
])('%s is told so before a body is read', async (_, status, who) => {
  const headers = {
    'content-type': 'application/json',
    'transfer-encoding': 'chunked',
    ...(who === undefined ? {} : { authorization: `Bearer ${who().token}` }),
  };
  const call = request(`${desk.api.url}/v1/wallets`, { method: 'POST', headers });
  call.write('{"name":');
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(status);
  call.on('error', () => {});
  call.destroy();
});

test.each([
  ['an audience', async () => `/v1/campaigns/${await desk.draft()}/audience`],
  ['a blocklist', async () => '/v1/blocklist/import'],
])('%s whose client falls silent is given up', async (_, path) => {
  const impatient = await listen(createListener({ ...desk.api.deps, uploadPatienceMs: 500 }));
  const headers = {
    authorization: `Bearer ${desk.tenant.director.token}`,
    'content-type': 'text/csv',
  };
  const call = request(`${impatient.url}${await path()}`, { method: 'PUT', headers });
  const ended = new Promise((resolve) => {
    call.on('error', () => resolve('ended'));
    call.on('response', () => resolve('ended'));
  });
  call.write(csvOf(10));
  expect(await ended).toBe('ended');
  call.destroy();
  await impatient.close();
});

describe('the same Idempotency-Key', () => {
  const wallet = (name: string, idgisAmbiente: number): string =>
    JSON.stringify({ name, idgisAmbiente });
  const postInPieces = (key: string, body: string): Promise<Answer['status']> =>
    fetch(`${desk.api.url}/v1/wallets`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${desk.tenant.director.token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: new Blob([body]).stream(),
      duplex: 'half',
    }).then(({ status }) => status);

  test('with another body of no announced length is refused', async () => {
    expect(await postInPieces('pieces', wallet('Uma', 501))).toBe(201);
    expect(await postInPieces('pieces', wallet('Outra', 502))).toBe(409);
    expect(await postInPieces('pieces', wallet('Uma', 501))).toBe(201);
    const rows = await query(
      desk.api.database.adminUrl,
      'SELECT name FROM wallets WHERE idgis_ambiente IN (501, 502)',
    );
    expect(rows).toEqual([{ name: 'Uma' }]);
  });

  test('with another query is refused', async () => {
    const id = await desk.draft();
    const file = `celular;Tel 2\n${phoneOf(1)};${phoneOf(2)}\n`;
    const put = (search: string) =>
      desk.put(id, file, { query: search, headers: { 'idempotency-key': 'mapped' } });
    expect((await put('?map[phone]=celular')).status).toBe(200);
    expect((await put('?map[phone]=Tel 2')).status).toBe(409);
    const again = await put('?map[phone]=celular');
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  });

  test('is kept for a file whose first rows are all that differs', async () => {
    const id = await desk.draft();
    const put = (file: string) => desk.put(id, file, { headers: { 'idempotency-key': 'file' } });
    expect((await put(csvOf(3))).status).toBe(200);
    expect((await put(csvOf(3, 100))).status).toBe(409);
  });
});
