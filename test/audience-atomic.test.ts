import { Agent, globalAgent, request as httpRequest, type ClientRequest } from 'node:http';
import {
  csvOf,
  openAudienceDesk,
  personLine,
  phoneOf,
  type AudienceDesk,
} from './support/audiences';
import { query, withClient } from './support/database';
import { until } from './support/until';

/** More than is looked at before the first row is read, and several chunks. */
const MANY = 45_000;

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

const linesOf = (people: number, first = 0): string =>
  Array.from({ length: people }, (_, index) => personLine(first + index)).join('');
const addressOf = (index: number): string => `+55${phoneOf(index)}`;

/** An upload of which the test sends as much as it likes, and what it is answered. */
function openUpload(
  campaignId: string,
  agent: Agent = globalAgent,
): { call: ClientRequest; answer: Promise<unknown> } {
  const url = `${desk.api.url}/v1/campaigns/${campaignId}/audience`;
  const headers = {
    authorization: `Bearer ${desk.tenant.agent.token}`,
    'content-type': 'text/csv',
  };
  const call = httpRequest(url, { method: 'PUT', headers, agent });
  const answer = new Promise<unknown>((resolve) => {
    call.on('error', () => resolve('broken off'));
    call.on('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
  return { call, answer };
}

/** A draft with two people, and an upload of others that is half done. */
async function halfUploaded() {
  const id = await desk.draft();
  await desk.put(id, csvOf(2));
  const before = await desk.get(id);
  const { call, answer } = openUpload(id);
  call.write(csvOf(MANY, 100));
  await until(
    'people of the new file are stored',
    async () => (await desk.rowsLeft(id)).recipients > 2,
  );
  return { id, before, call, answer };
}

async function expectOnlyTheOldAudience(id: string, before: { body: { audience: unknown } }) {
  await until('the rest is removed', async () => (await desk.rowsLeft(id)).audiences === 1);
  expect(await desk.rowsLeft(id)).toEqual({ audiences: 1, recipients: 2, rejects: 0 });
  expect((await desk.get(id)).body).toEqual({
    state: 'ready',
    audience: before.body.audience,
    upload: null,
  });
  expect((await desk.people(id)).map(({ address }) => address)).toEqual([0, 1].map(addressOf));
}

describe('an upload is whole or not at all', () => {
  test('nobody of it is there before its end, when nothing is submitted, and everybody at once', async () => {
    const { id, call, answer } = await halfUploaded();
    expect((await desk.get(id)).body).toMatchObject({
      state: 'loading',
      audience: { recipients: 2 },
    });
    expect(await desk.people(id)).toHaveLength(2);
    const as = desk.tenant.director;
    const early = await desk.api.request('POST', `/v1/campaigns/${id}/submit`, { as });
    expect(early).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(early.body.detail).toMatch(/upload.*is running/);
    call.end(linesOf(1));
    expect(await answer).toBe(200);
    expect((await desk.get(id)).body.audience).toMatchObject({ recipients: MANY + 1 });
    await until('the old one is removed', async () => (await desk.rowsLeft(id)).audiences === 1);
    expect((await desk.rowsLeft(id)).recipients).toBe(MANY + 1);
  });

  test('a client that leaves in the middle leaves the old audience', async () => {
    const { id, before, call, answer } = await halfUploaded();
    call.destroy();
    expect(await answer).toBe('broken off');
    await expectOnlyTheOldAudience(id, before);
  });

  test('one that was given up meanwhile is told so, and leaves the old audience', async () => {
    const { id, before, call, answer } = await halfUploaded();
    await query(
      desk.api.database.adminUrl,
      `UPDATE audiences SET state = 'failed' WHERE campaign_id = $1 AND state = 'loading'`,
      [id],
    );
    call.end(linesOf(MANY, 100 + MANY));
    expect(await answer).toBe(409);
    await expectOnlyTheOldAudience(id, before);
  });

  test('one that the database refuses in the middle leaves the old audience', async () => {
    const { id, before, call, answer } = await halfUploaded();
    // The person of a position that is still to come is there already: what no upload should ever meet.
    await query(
      desk.api.database.adminUrl,
      `INSERT INTO campaign_recipients (company_id, audience_id, position, address, time_zone)
         SELECT company_id, id, $2::int, 'x', 'UTC' FROM audiences WHERE campaign_id = $1 AND state = 'loading'`,
      [id, 2 * MANY],
    );
    call.end(linesOf(2 * MANY, 100 + MANY));
    expect(await answer).toBe(409);
    await expectOnlyTheOldAudience(id, before);
  });

  test('a second one at the same time is refused, and the first goes on', async () => {
    const { id, call, answer } = await halfUploaded();
    const second = await desk.put(id, csvOf(3));
    expect(second).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    call.end();
    expect(await answer).toBe(200);
    expect((await desk.get(id)).body.audience).toMatchObject({ recipients: MANY });
  });

  test('one whose process has died makes way after fifteen seconds without a sign of it', async () => {
    const id = await desk.draft();
    const silentFor = (time: string): Promise<unknown> =>
      query(
        desk.api.database.adminUrl,
        `INSERT INTO audiences (company_id, campaign_id, source, updated_at)
           SELECT company_id, id, 'csv', now() - $2::interval FROM campaigns WHERE id = $1`,
        [id, time],
      );
    await silentFor('16 seconds');
    expect(await desk.put(id, csvOf(3))).toMatchObject({ status: 200 });
    await silentFor('10 seconds');
    expect(await desk.put(id, csvOf(4))).toMatchObject({ status: 409 });
    expect((await desk.get(id)).body.audience).toMatchObject({ recipients: 3 });
  });

  test('one that holds its row lives, however old its last sign is', async () => {
    const id = await desk.draft();
    const [upload] = await query<{ id: string }>(
      desk.api.database.adminUrl,
      `INSERT INTO audiences (company_id, campaign_id, source, updated_at)
         SELECT company_id, id, 'csv', now() - interval '1 hour' FROM campaigns WHERE id = $1 RETURNING id`,
      [id],
    );
    const submit = () =>
      desk.api.request('POST', `/v1/campaigns/${id}/submit`, { as: desk.tenant.director });
    await withClient(desk.api.database.adminUrl, async (holder) => {
      await holder.query('BEGIN');
      // As the end of each chunk does.
      await holder.query('SELECT FROM audiences WHERE id = $1 FOR SHARE', [upload!.id]);
      expect(await desk.put(id, csvOf(2))).toMatchObject({ status: 409 });
      expect((await submit()).body.detail).toMatch(/upload.*is running/);
      await holder.query('COMMIT');
    });
    expect(await desk.put(id, csvOf(2))).toMatchObject({ status: 200 });
    expect(await submit()).toMatchObject({ status: 200 });
  });

  const twoPeople = JSON.stringify({ items: [0, 1].map((n) => ({ telefone: phoneOf(n) })) });
  test.each([
    ['a file', csvOf(2), 'text/csv'],
    ['a list', twoPeople, 'application/json'],
  ])('%s gives signs until the campaign has it', async (_what, body, type) => {
    const url = desk.api.database.adminUrl;
    const id = await desk.draft();
    const signOf = async (): Promise<string | undefined> =>
      (
        await query<{ sign: string }>(
          url,
          `SELECT updated_at::text AS sign FROM audiences WHERE campaign_id = $1 AND state = 'loading'`,
          [id],
        )
      )[0]?.sign;
    const expectSigns = async (): Promise<void> => {
      for (const which of ['a sign that may have been on its way', 'another one']) {
        const before = await signOf();
        await until(which, async () => (await signOf()) !== before);
      }
      expect(await signOf()).toBeDefined();
    };
    await withClient(url, (slowTable) =>
      withClient(url, async (busyCampaign) => {
        await slowTable.query('BEGIN; LOCK TABLE campaign_recipients IN SHARE MODE');
        const answer = desk.put(id, body, { headers: { 'content-type': type } });
        await until('it has begun', async () => (await signOf()) !== undefined);
        await busyCampaign.query('BEGIN');
        await busyCampaign.query('SELECT FROM campaigns WHERE id = $1 FOR UPDATE', [id]);
        await expectSigns();
        await slowTable.query('COMMIT');
        await until('all are stored', async () => (await desk.rowsLeft(id)).recipients === 2);
        await expectSigns();
        await busyCampaign.query('COMMIT');
        expect(await answer).toMatchObject({ status: 200, body: { recipients: 2, rows: 2 } });
      }),
    );
  });
});

test('a client whose file is refused before its end goes on with its connection', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const id = await desk.draft();
  const workbook = openUpload(id, agent);
  workbook.call.end(Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(4_000_000)]));
  expect(await workbook.answer).toBe(415);
  const file = openUpload(id, agent);
  file.call.end(csvOf(2));
  expect(await file.answer).toBe(200);
  expect(file.call.reusedSocket).toBe(true);
  agent.destroy();
});

test('people of a large file keep its order, and of two with one number the first stays', async () => {
  const id = await desk.draft();
  const again = `${phoneOf(7)};Outra;R$ 1\n`;
  const file = `${csvOf(MANY)}${again}${linesOf(MANY, MANY)}${again}`;
  const { body } = await desk.put(id, file);
  expect(body).toMatchObject({ rows: 2 * MANY + 2, recipients: 2 * MANY, duplicates: 2 });
  const people = await desk.people(id);
  expect(people.map(({ position }) => position)).toEqual([...people.keys()]);
  expect(people.every(({ address }, index) => address === addressOf(index))).toBe(true);
  expect(people[7]).toMatchObject({ nome: 'Pessoa 7' });
  const rejects = await desk.get(id, '/rejects');
  expect(rejects.body.items).toMatchObject([
    { line: MANY + 2, reason: 'duplicate', value: addressOf(7) },
    { line: 2 * MANY + 3, reason: 'duplicate', value: addressOf(7) },
  ]);
});
