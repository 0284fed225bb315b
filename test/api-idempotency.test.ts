import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { startTestApi, type Answer, type TestApi } from './support/api';
import { query } from './support/database';
import { until } from './support/until';

const ENCRYPTION_KEY = randomBytes(32).toString('base64');

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ env: { ENCRYPTION_KEY } });
});
afterAll(() => api.close());

let wallets = 100;
const wallet = (): object => ({ name: 'Carteira', idgisAmbiente: (wallets += 1) });
const post = (key: string, body: object, as = api.first.director): Promise<Answer> =>
  api.request('POST', '/v1/wallets', { as, body, headers: { 'idempotency-key': key } });
const names = async (idgisAmbiente: number): Promise<number> => {
  const { body } = await api.request('GET', `/v1/wallets?idgisAmbiente=${idgisAmbiente}`, {
    as: api.first.director,
  });
  return body.items.length;
};

test('a repeated write is answered with the first answer and does nothing', async () => {
  const body = wallet();
  const [first, again] = [await post('a', body), await post('a', body)];
  expect(first.status).toBe(201);
  expect(again).toMatchObject({ status: 201, body: first.body });
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(first.headers.get('idempotent-replayed')).toBeNull();
  expect(await names(wallets)).toBe(1);
});

test('a repeated deletion answers 204 again', async () => {
  const { id } = (await post('b', wallet())).body;
  const remove = () =>
    api.request('DELETE', `/v1/wallets/${id}`, {
      as: api.first.director,
      headers: { 'idempotency-key': 'c' },
    });
  expect([(await remove()).status, (await remove()).status]).toEqual([204, 204]);
});

test('side by side, one is executed', async () => {
  const body = wallet();
  const answers = await Promise.all(Array.from({ length: 6 }, () => post('d', body)));
  const statuses = new Set(answers.map(({ status }) => status));
  // The others meet it running, or come late enough for its answer.
  expect([...statuses].every((status) => status === 201 || status === 409)).toBe(true);
  const fresh = answers.filter(
    ({ status, headers }) => status === 201 && headers.get('idempotent-replayed') === null,
  );
  expect(fresh).toHaveLength(1);
  expect((await post('d', body)).body).toEqual(fresh[0]!.body);
});

test('the same key for another request is refused', async () => {
  await post('e', wallet());
  expect(await post('e', wallet())).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
});

test('a refused write is not remembered, so that it can be corrected', async () => {
  expect((await post('f', { name: '', idgisAmbiente: 1 })).status).toBe(400);
  expect((await post('f', wallet())).status).toBe(201);
});

test('a key belongs to whoever sent it', async () => {
  const body = wallet();
  const first = await post('g', body);
  const other = await api.person(api.first.companyId, 'DIRECTOR');
  expect((await post('g', body, other)).status).toBe(409);
  expect((await post('g', body, api.second.director)).body.id).not.toBe(first.body.id);
});

describe('what is kept of a request', () => {
  /** The answer of an API on the same database with other keys. */
  const answerUnder = async (keys: string, key: string, body: object): Promise<Answer> => {
    const other = await startTestApi({
      database: api.database,
      env: { ENCRYPTION_KEY: keys },
    });
    const { director } = api.first;
    const answer = await other.request('POST', '/v1/wallets', {
      as: director,
      body,
      headers: { 'idempotency-key': key },
    });
    await other.close();
    return answer;
  };

  test('cannot be compared with a guess by whoever has no ENCRYPTION_KEY', async () => {
    const body = wallet();
    await post('kept', body);
    const another = randomBytes(32).toString('base64');
    expect((await answerUnder(another, 'kept', body)).status).toBe(409);
  });

  test('is the same during a rotation of the key', async () => {
    const body = wallet();
    const { id } = (await post('rotated', body)).body;
    const rotated = `${randomBytes(32).toString('base64')},${ENCRYPTION_KEY}`;
    expect(await answerUnder(rotated, 'rotated', body)).toMatchObject({
      status: 201,
      body: { id },
    });
  });
});

test('a write whose process died can be repeated after fifteen seconds', async () => {
  const body = wallet();
  const { id } = (await post('h', body)).body;
  const die = (age: string) =>
    query(
      api.database.adminUrl,
      `UPDATE idempotency_keys SET state = 'running', touched_at = now() - $1::interval WHERE key = 'h'`,
      [age],
    );
  await api.request('DELETE', `/v1/wallets/${id}`, { as: api.first.director });
  await die('10 seconds');
  const running = await post('h', body);
  expect(running.status).toBe(409);
  expect(running.headers.get('retry-after')).toBe('1');
  await die('16 seconds');
  expect((await post('h', body)).status).toBe(201);
});

describe('a write that takes longer than that', () => {
  let holder: Client;
  beforeAll(async () => {
    holder = new Client({ connectionString: api.database.adminUrl });
    await holder.connect();
  });
  afterAll(() => holder.end());

  const change = (sql: string, key: string) => query(api.database.adminUrl, sql, [key]);
  const isYoung = async (key: string): Promise<boolean> =>
    (
      await change(
        `SELECT FROM idempotency_keys WHERE key = $1 AND touched_at > clock_timestamp() - interval '10 seconds'`,
        key,
      )
    ).length === 1;

  /** Begins a change of a wallet that has to wait, and answers once it is waiting. */
  async function beginWaiting(key: string) {
    const { id } = (await post(`${key}-wallet`, wallet())).body;
    await holder.query('BEGIN');
    await holder.query('SELECT FROM wallets WHERE id = $1 FOR UPDATE', [id]);
    const rename = (name: string): Promise<Answer> =>
      api.request('PATCH', `/v1/wallets/${id}`, {
        as: api.first.director,
        body: { name },
        headers: { 'idempotency-key': key },
      });
    const first = rename('Primeira');
    await until('it waits', async () => (await change(WAITING, '%wallets%')).length === 1);
    return { first, again: () => rename('Primeira'), id };
  }
  const WAITING = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`;

  test('is not taken for dead: it says that it is at work, and a repetition waits for it', async () => {
    const { first, again } = await beginWaiting('i');
    await change(
      `UPDATE idempotency_keys SET touched_at = touched_at - interval '12 seconds' WHERE key = $1`,
      'i',
    );
    await until('it says that it is at work', () => isYoung('i'));
    expect((await again()).status).toBe(409);
    await holder.query('COMMIT');
    const done = await first;
    expect(done.status).toBe(200);
    const repeated = await again();
    expect(repeated).toMatchObject({ status: 200, body: done.body });
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
  });

  test('and was taken over all the same changes nothing any more', async () => {
    const { first, id } = await beginWaiting('j');
    // As a repetition does it after a time in which the process was frozen.
    await change('UPDATE idempotency_keys SET claim = uuidv7() WHERE key = $1', 'j');
    await holder.query('COMMIT');
    const late = await first;
    expect(late).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    const { body } = await api.request('GET', `/v1/wallets/${id}`, { as: api.first.director });
    expect(body.name).toBe('Carteira');
    const kept = await change('SELECT state FROM idempotency_keys WHERE key = $1', 'j');
    expect(kept).toEqual([{ state: 'running' }]);
  });
});

test.each([
  ['empty', ''],
  ['not ASCII', Buffer.from('ç', 'utf8').toString('latin1')],
  ['too long', 'x'.repeat(256)],
])('a key that is %s is refused', async (_, key) => {
  const answer = await post(key, wallet());
  expect(answer.status).toBe(400);
  expect(answer.body.errors[0].pointer).toBe('/header/idempotency-key');
});
