import { startTestApi, type Answer, type TestApi } from './support/api';
import { until } from './support/until';

const LIMIT = 5;
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({
    env: { API_REQUESTS_PER_MINUTE: String(LIMIT), TRUST_PROXY: 'true' },
  });
});
afterAll(() => api.close());

/** Far enough from the end of a minute for a test not to run into the next window. */
beforeEach(() =>
  until('the minute has more than five seconds left', () => Date.now() % 60_000 < 55_000),
);

const get = (as: { token: string } | undefined, from = '10.0.0.1'): Promise<Answer> =>
  api.request('GET', '/v1/me', {
    ...(as === undefined ? {} : { as }),
    headers: { 'x-forwarded-for': from },
  });

test('each answer says what is left, and the one beyond the limit when to come back', async () => {
  const { agent } = api.first;
  for (let left = LIMIT - 1; left >= 0; left -= 1) {
    const { status, headers } = await get(agent);
    expect(status).toBe(200);
    expect(headers.get('ratelimit-policy')).toBe(`"default";q=${LIMIT};w=60`);
    expect(headers.get('ratelimit')).toMatch(new RegExp(`^"default";r=${left};t=\\d{1,2}$`));
  }
  const refused = await get(agent);
  expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
  const waitSeconds = Number(refused.headers.get('retry-after'));
  expect(waitSeconds).toBeGreaterThan(0);
  expect(waitSeconds).toBeLessThanOrEqual(60);
});

test('one person’s limit is not another’s, nor their key’s', async () => {
  for (let request = 0; request <= LIMIT; request += 1) await get(api.first.manager);
  expect((await get(api.first.manager)).status).toBe(429);
  expect((await get(api.first.director)).status).toBe(200);
  expect((await get(await api.key(api.first.manager, ['wallets:read']))).status).toBe(200);
});

test('wrong tokens are counted by address', async () => {
  const guess = (index: number, from: string): Promise<Answer> =>
    get({ token: `rgs_${String(index).padStart(43, '0')}` }, from);
  for (let index = 0; index < LIMIT; index += 1)
    expect((await guess(index, '10.0.0.9')).status).toBe(401);
  expect((await guess(99, '10.0.0.9')).status).toBe(429);
  expect((await guess(99, '10.0.0.10')).status).toBe(401);
  // Whoever has one address of a /64 has them all.
  for (let index = 0; index < LIMIT; index += 1)
    expect((await guess(index, `2001:db8::${index + 1}`)).status).toBe(401);
  expect((await guess(99, '2001:db8::ffff')).status).toBe(429);
  expect((await guess(99, '2001:db8:0:1::1')).status).toBe(401);
});
