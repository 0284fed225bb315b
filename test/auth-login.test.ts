import { query } from './support/database';
import { PASSWORD, startTestApi, type TestApi } from './support/api';
import { until } from './support/until';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const logIn = (email: string, password: string) =>
  api.request('POST', '/v1/sessions', { body: { email, password } });

const audit = async (entityId: string, action: string) =>
  query(
    api.database.adminUrl,
    'SELECT * FROM audit_logs WHERE entity_id = $1 AND action = $2 ORDER BY id',
    [entityId, action],
  );

const setStatus = (id: string, status: string) =>
  query(api.database.adminUrl, 'UPDATE users SET status = $2 WHERE id = $1', [id, status]);

describe('a login', () => {
  test('answers a token that works at once, and notes when and from where', async () => {
    const { agent } = api.first;
    const answer = await logIn(agent.email.toUpperCase(), PASSWORD);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      token: expect.stringMatching(/^rgs_[\w-]{43}$/),
      user: { id: agent.id, companyId: api.first.companyId, role: 'AGENT' },
    });
    const me = await api.request('GET', '/v1/me', { as: answer.body });
    expect(me.body.user).toMatchObject({ id: agent.id, lastLoginAt: expect.any(String) });
    const [line] = await audit(agent.id, 'user.login');
    expect(line).toMatchObject({ actor_type: 'user', actor_id: agent.id, ip_address: '127.0.0.1' });
  });

  test('keeps no token in the database', async () => {
    const { body } = await logIn(api.first.agent.email, PASSWORD);
    const rows = await query<{ row: string }>(
      api.database.adminUrl,
      `SELECT s::text AS row FROM sessions s UNION ALL SELECT a::text FROM audit_logs a`,
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ row }) => row.includes(body.token))).toEqual([]);
  });

  test('is refused alike for every reason', async () => {
    const invited = await api.person(api.first.companyId, 'AGENT');
    const inactive = await api.person(api.first.companyId, 'AGENT');
    await setStatus(invited.id, 'INVITED');
    await setStatus(inactive.id, 'INACTIVE');
    const answers = [
      await logIn('ninguem@example.com', PASSWORD),
      await logIn(invited.email, PASSWORD),
      await logIn(inactive.email, PASSWORD),
      await logIn(api.first.agent.email, 'not-the-password'),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect({ ...body, requestId: '' }).toEqual({ ...answers[0]!.body, requestId: '' });
    }
    const expected = [
      [invited.id, 'is INVITED'],
      [inactive.id, 'is INACTIVE'],
      [api.first.agent.id, 'wrong password'],
    ] as const;
    for (const [id, reason] of expected) {
      await until('the refusal is in the audit', async () => {
        const lines = await audit(id, 'user.login_refused');
        return lines.some(({ changes }) => JSON.stringify(changes).includes(reason));
      });
    }
  });

  test('takes as long for an unknown person as for a wrong password', async () => {
    const { companyId } = api.second;
    const known: number[] = [];
    const unknown: number[] = [];
    const time = async (email: string): Promise<number> => {
      const start = performance.now();
      await logIn(email, 'not-the-password');
      return performance.now() - start;
    };
    for (let round = 0; round < 9; round += 1) {
      known.push(await time((await api.person(companyId, 'AGENT')).email));
      unknown.push(await time(`ninguem.${round}@example.com`));
    }
    const median = (values: number[]): number => values.sort((a, b) => a - b)[4]!;
    const ratio = median(unknown) / median(known);
    expect(ratio).toBeGreaterThan(0.6);
    expect(ratio).toBeLessThan(1.7);
  });

  test.each([
    ['no password', { email: 'ana@example.com' }, '/password'],
    ['a number for an address', { email: 5, password: 'x' }, '/email'],
    ['a long password', { email: 'ana@example.com', password: 'x'.repeat(201) }, '/password'],
    ['an unknown field', { email: 'ana@example.com', password: 'x', remember: true }, '/remember'],
  ])('points at %s', async (_, body, pointer) => {
    const answer = await api.request('POST', '/v1/sessions', { body });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer })]);
  });
});
