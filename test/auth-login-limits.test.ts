import { addressBlock } from '../api/login-limits';
import { PASSWORD, startTestApi, type TestApi } from './support/api';
import { query } from './support/database';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ env: { TRUST_PROXY: 'true' } });
});
afterAll(() => api.close());

let addresses = 0;
const newAddress = (): string => `10.0.${Math.floor((addresses += 1) / 250)}.${addresses % 250}`;

const logIn = (email: string, password: string, from: string) =>
  api.request('POST', '/v1/sessions', {
    body: { email, password },
    headers: { 'x-forwarded-for': from },
  });

/** As if so many logins had failed in this window already; only subjects that were counted before. */
const pretend = (subject: string, attempts: number) =>
  query(api.database.adminUrl, 'UPDATE login_attempts SET attempts = $2 WHERE subject LIKE $1', [
    subject,
    attempts,
  ]);

describe('guesses of one account from one address', () => {
  test('end after ten, for this address only, and say when to come back', async () => {
    const { email } = await api.person(api.first.companyId, 'AGENT');
    const attacker = newAddress();
    for (let guess = 0; guess < 10; guess += 1) {
      expect((await logIn(email, `guess ${guess}`, attacker)).status).toBe(401);
    }
    const refused = await logIn(email, PASSWORD, attacker);
    expect(refused.status).toBe(429);
    expect(refused.body.code).toBe('RATE_LIMITED');
    const waitSeconds = Number(refused.headers.get('retry-after'));
    expect(waitSeconds).toBeGreaterThan(0);
    expect(waitSeconds).toBeLessThanOrEqual(900);
    expect((await logIn(email, PASSWORD, newAddress())).status).toBe(201);
  });

  test('are counted for every process of the API together', async () => {
    const other = await startTestApi({ env: { TRUST_PROXY: 'true' }, database: api.database });
    const { email } = await api.person(api.first.companyId, 'AGENT');
    const attacker = newAddress();
    const headers = { 'x-forwarded-for': attacker };
    const body = { email, password: 'guess' };
    for (let guess = 0; guess < 5; guess += 1) {
      expect((await logIn(email, 'guess', attacker)).status).toBe(401);
      expect((await other.request('POST', '/v1/sessions', { body, headers })).status).toBe(401);
    }
    expect((await logIn(email, 'guess', attacker)).status).toBe(429);
    expect((await other.request('POST', '/v1/sessions', { body, headers })).status).toBe(429);
    await other.close();
  });

  test('cannot slip past the limit side by side', async () => {
    const { email } = await api.person(api.first.companyId, 'AGENT');
    const attacker = newAddress();
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, guess) => logIn(email, `guess ${guess}`, attacker)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15);
  });

  test('are forgotten with their window', async () => {
    const { email } = await api.person(api.first.companyId, 'AGENT');
    const address = newAddress();
    await logIn(email, 'wrong', address);
    await pretend(`login:pair:%${address}`, 10);
    expect((await logIn(email, PASSWORD, address)).status).toBe(429);
    await query(
      api.database.adminUrl,
      `UPDATE login_attempts SET window_start = window_start - interval '15 minutes'`,
    );
    expect((await logIn(email, PASSWORD, address)).status).toBe(201);
  });
});

test('good logins are not counted', async () => {
  const { email } = await api.person(api.first.companyId, 'AGENT');
  const address = newAddress();
  for (let login = 0; login < 12; login += 1) {
    expect((await logIn(email, PASSWORD, address)).status).toBe(201);
  }
  const counted = await query(
    api.database.adminUrl,
    'SELECT * FROM login_attempts WHERE subject LIKE $1 AND attempts <> 0',
    [`%${address}`],
  );
  expect(counted).toEqual([]);
});

test('an address that tries many accounts is stopped', async () => {
  const address = newAddress();
  await logIn('alguem@example.com', 'wrong', address);
  await pretend(`login:address:${address}`, 100);
  const { email } = await api.person(api.first.companyId, 'AGENT');
  expect((await logIn(email, PASSWORD, address)).status).toBe(429);
});

test('an attack from everywhere locks nobody out of where they work', async () => {
  const person = await api.person(api.first.companyId, 'AGENT');
  const office = newAddress();
  expect((await logIn(person.email, PASSWORD, office)).status).toBe(201);
  await logIn(person.email, 'wrong', newAddress());
  await pretend('login:account:%', 100);
  expect((await logIn(person.email, 'guess', newAddress())).status).toBe(429);
  expect((await logIn('ninguem@example.com', 'guess', newAddress())).status).toBe(401);
  expect((await logIn(person.email, PASSWORD, office)).status).toBe(201);
  expect((await logIn(person.email, 'wrong', office)).status).toBe(401);
});

test('the table of attempts holds no e-mail address', async () => {
  const { email } = await api.person(api.first.companyId, 'AGENT');
  await logIn(email, 'wrong', newAddress());
  const rows = await query<{ subject: string }>(
    api.database.adminUrl,
    'SELECT subject FROM login_attempts',
  );
  expect(rows.filter(({ subject }) => subject.includes('@'))).toEqual([]);
});

describe('an address block', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, block) => {
    expect(addressBlock(address)).toBe(block);
  });
});
