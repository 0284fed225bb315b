import type { NoticePurpose } from '../domain/notices';
import { withTenant } from '../prisma/tenant';
import { issueToken } from '../prisma/verification-tokens';
import { PASSWORD, startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { auditOf } from './support/audit';
import { query } from './support/database';
import { until } from './support/until';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const NEW_PASSWORD = 'girafa-lanterna-7';
let people = 0;

const invite = async (): Promise<{ id: string; companyId: string; email: string }> => {
  const { companyId, director } = api.first;
  const email = `convidada.${(people += 1)}@example.com`;
  const body = { name: 'Lia', email, role: 'AGENT' };
  const answer = await api.request('POST', '/v1/users', { as: director, body });
  return { id: answer.body.id, companyId, email };
};

/** A fresh token, as its e-mail would carry it. */
const tokenFor = async (
  { id: userId, companyId }: { id: string; companyId: string },
  purpose: NoticePurpose,
): Promise<string> => {
  const issued = await withTenant(api.deps.db, companyId, (tx) =>
    issueToken(tx, { companyId, userId, purpose }, null),
  );
  return issued.token;
};

const accept = (token: string, fields: object = {}): Promise<Answer> =>
  api.request('POST', '/v1/invitations/accept', {
    body: { token, password: NEW_PASSWORD, ...fields },
  });
const confirm = (token: string, password = NEW_PASSWORD): Promise<Answer> =>
  api.request('POST', '/v1/password-resets/confirm', { body: { token, password } });
const logIn = (email: string, password: string): Promise<Answer> =>
  api.request('POST', '/v1/sessions', { body: { email, password } });
const expire = (userId: string) =>
  query(
    api.database.adminUrl,
    `UPDATE verification_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
    [userId],
  );
const tokens = (userId: string) =>
  query(
    api.database.adminUrl,
    `SELECT t.*, o.topic, round(extract(epoch FROM t.expires_at - t.created_at) / 86400)::int AS days FROM verification_tokens t
       LEFT JOIN outbox o ON o.subject_id = t.id WHERE user_id = $1 ORDER BY t.created_at, t.id`,
    [userId],
  );

describe('an invitation', () => {
  test('waits encrypted for its e-mail, with an outbox row, for seven days', async () => {
    const { id } = await invite();
    const [token] = await tokens(id);
    expect(token).toMatchObject({
      purpose: 'invitation',
      topic: 'notice',
      used_at: null,
      pending_delivery: expect.stringMatching(/^v1:/),
    });
    const { encryption } = api.deps;
    const plain = encryption.decrypt(
      String(token!['pending_delivery']),
      api.first.companyId,
      String(token!['id']),
    );
    expect(plain).toMatch(/^[\w-]{43}$/);
    expect(JSON.stringify(token)).not.toContain(plain);
    expect((await accept(plain)).status).toBe(204);
    expect((await tokens(id))[0]).toMatchObject({ pending_delivery: null });
    expect(token!['days']).toBe(7);
  });

  test('makes the person active with a name and a password of their own', async () => {
    const person = await invite();
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(401);
    const token = await tokenFor(person, 'invitation');
    expect((await accept(token, { name: 'Lia Rocha' })).status).toBe(204);
    const login = await logIn(person.email, NEW_PASSWORD);
    expect(login.body.user).toMatchObject({ id: person.id, name: 'Lia Rocha' });
    const lines = await auditOf(api.deps.db, person.companyId, person.id);
    const line = lines.find(({ action }) => action === 'user.accept_invitation');
    expect(line).toMatchObject({
      actorType: 'user',
      actorId: person.id,
      changes: {
        before: { status: 'INVITED', passwordHash: null },
        after: { status: 'ACTIVE', passwordHash: '[redacted]' },
      },
    });
  });

  test('works once, even side by side', async () => {
    const token = await tokenFor(await invite(), 'invitation');
    const answers = await Promise.all([1, 2, 3, 4].map(() => accept(token)));
    const accepted = answers.filter(({ status }) => status === 204);
    const refused = answers.filter(({ status }) => status === 400);
    expect([accepted.length, refused.length]).toEqual([1, 3]);
    expect((await accept(token)).body.errors).toEqual([
      { pointer: '/token', detail: 'is not valid, was used or has expired' },
    ]);
  });

  test('ends when it is sent again', async () => {
    const person = await invite();
    const old = await tokenFor(person, 'invitation');
    const again = await api.request('POST', `/v1/users/${person.id}/invite`, {
      as: api.first.director,
    });
    expect(again.status).toBe(202);
    expect((await accept(old)).status).toBe(400);
    const open = (await tokens(person.id)).filter((token) => token['used_at'] === null);
    expect(open).toEqual([expect.objectContaining({ topic: 'notice' })]);
    await accept(await tokenFor(person, 'invitation'));
    const late = await api.request('POST', `/v1/users/${person.id}/invite`, {
      as: api.first.director,
    });
    expect(late.body).toMatchObject({ status: 409, state: 'ACTIVE', allowedFrom: ['INVITED'] });
  });

  test('ends with its time, with the address it went to and with the person', async () => {
    const expired = await invite();
    const tokenExpired = await tokenFor(expired, 'invitation');
    await expire(expired.id);
    const moved = await invite();
    const tokenMoved = await tokenFor(moved, 'invitation');
    await api.request('PATCH', `/v1/users/${moved.id}`, {
      as: api.first.director,
      body: { email: `novo.${moved.email}` },
    });
    const deleted = await invite();
    const tokenDeleted = await tokenFor(deleted, 'invitation');
    await api.request('DELETE', `/v1/users/${deleted.id}`, { as: api.first.director });
    for (const token of [tokenExpired, tokenMoved, tokenDeleted, 'nonsense'])
      expect((await accept(token)).status).toBe(400);
  });

  test('is no password reset, and a password reset is no invitation', async () => {
    expect((await confirm(await tokenFor(await invite(), 'invitation'))).status).toBe(400);
    expect((await accept(await tokenFor(api.first.agent, 'password_reset'))).status).toBe(400);
  });

  test.each([
    ['short', 'curta-1'],
    ['common', 'Password123'],
    ['of one letter', 'aaaaaaaaaaaa'],
    ['too long', 'x1-'.repeat(70)],
  ])('refuses a password that is %s, and can be tried again', async (_, password) => {
    const token = await tokenFor(await invite(), 'invitation');
    const refused = await accept(token, { password });
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toEqual([expect.objectContaining({ pointer: '/password' })]);
    expect((await accept(token)).status).toBe(204);
  });

  test('refuses the e-mail address as password', async () => {
    const person = await invite();
    const token = await tokenFor(person, 'invitation');
    expect((await accept(token, { password: person.email.toUpperCase() })).status).toBe(400);
  });
});

describe('a password reset', () => {
  const ask = (email: string): Promise<Answer> =>
    api.request('POST', '/v1/password-resets', { body: { email } });

  test('answers alike for everybody, and sends only to who can log in', async () => {
    const active = await api.person(api.first.companyId, 'AGENT');
    const invited = await invite();
    const inactive = await api.person(api.first.companyId, 'AGENT');
    await query(api.database.adminUrl, `UPDATE users SET status = 'INACTIVE' WHERE id = $1`, [
      inactive.id,
    ]);
    for (const email of [inactive.email, invited.email, 'ninguem@example.com', active.email]) {
      const answer = await ask(email);
      expect([answer.status, answer.body]).toEqual([202, null]);
    }
    await until('the link is on its way', async () => (await tokens(active.id)).length === 1);
    expect((await tokens(active.id))[0]).toMatchObject({
      purpose: 'password_reset',
      topic: 'notice',
    });
    expect(await tokens(inactive.id)).toEqual([]);
    expect((await tokens(invited.id)).map(({ purpose }) => purpose)).toEqual(['invitation']);
  });

  test('changes the password, once, and ends every session', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const token = await tokenFor(person, 'password_reset');
    expect((await confirm(token)).status).toBe(204);
    expect((await api.request('GET', '/v1/me', { as: person })).status).toBe(401);
    expect((await logIn(person.email, PASSWORD)).status).toBe(401);
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(201);
    expect((await confirm(token)).status).toBe(400);
    const lines = await auditOf(api.deps.db, person.companyId, person.id);
    expect(lines.map(({ action }) => action)).toContain('user.password_reset');
    expect(JSON.stringify(lines)).not.toContain('argon2');
  });

  test('does not bring back somebody who was deactivated meanwhile', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const token = await tokenFor(person, 'password_reset');
    await api.request('POST', `/v1/users/${person.id}/deactivate`, { as: api.first.director });
    expect((await confirm(token)).status).toBe(400);
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(401);
  });

  test('sends five mails an hour to one account, and says nothing about the sixth', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    for (let request = 1; request <= 5; request += 1) {
      expect((await ask(person.email)).status).toBe(202);
      await until('it is sent', async () => (await tokens(person.id)).length === request);
    }
    expect((await ask(person.email)).status).toBe(202);
    // One for somebody else, so that the sixth would have been through as well.
    const other = await api.person(api.first.companyId, 'AGENT');
    await ask(other.email);
    await until('the other one is sent', async () => (await tokens(other.id)).length === 1);
    expect(await tokens(person.id)).toHaveLength(5);
  });
});

describe('a password change', () => {
  const change = (as: TestPerson, currentPassword: string, newPassword: string): Promise<Answer> =>
    api.request('POST', '/v1/me/password', { as, body: { currentPassword, newPassword } });

  test('needs the old one, and ends the other sessions', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const other = (await logIn(person.email, PASSWORD)).body;
    const wrong = await change(person, 'errada-errada', NEW_PASSWORD);
    expect(wrong).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
    expect(wrong.body.errors).toEqual([{ pointer: '/currentPassword', detail: 'is wrong' }]);
    const same = await change(person, PASSWORD, PASSWORD);
    expect([same.status, same.body.errors[0].pointer]).toEqual([400, '/newPassword']);
    expect((await change(person, PASSWORD, NEW_PASSWORD)).status).toBe(204);
    expect((await api.request('GET', '/v1/me', { as: person })).status).toBe(200);
    expect((await api.request('GET', '/v1/me', { as: other })).status).toBe(401);
    expect((await logIn(person.email, NEW_PASSWORD)).status).toBe(201);
    const [line] = (await auditOf(api.deps.db, person.companyId, person.id)).filter(
      ({ action }) => action === 'user.password_change',
    );
    expect(line).toMatchObject({ changes: { after: { endedSessions: 1 } } });
  });

  test('of a weak password points at it', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const answer = await change(person, PASSWORD, 'senha12345');
    expect(answer.body.errors).toEqual([
      { pointer: '/newPassword', detail: 'is one of the most common passwords' },
    ]);
  });

  test('cannot be used to guess the old one', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const answers: number[] = [];
    for (let guess = 0; guess < 11; guess += 1)
      answers.push((await change(person, `palpite ${guess}`, NEW_PASSWORD)).status);
    expect(answers).toEqual([...Array.from({ length: 10 }, () => 400), 429]);
  });
});

describe('one’s sessions', () => {
  test('are listed by page and ended one by one, and nobody else’s', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    const second = (await logIn(person.email, PASSWORD)).body;
    const list = async () => (await api.request('GET', '/v1/sessions', { as: second })).body.items;
    const sessions = await list();
    expect(sessions).toHaveLength(2);
    expect(sessions[0]).toMatchObject({ current: true, ipAddress: '127.0.0.1' });
    expect(JSON.stringify(sessions)).not.toContain('oken');
    const page = (query: string) =>
      api.request('GET', `/v1/sessions?limit=1${query}`, { as: second });
    const { items, nextCursor } = (await page('')).body;
    expect([...items, ...(await page(`&cursor=${nextCursor}`)).body.items]).toEqual(sessions);
    const end = (id: string) => api.request('DELETE', `/v1/sessions/${id}`, { as: second });
    expect((await end(api.first.manager.sessionId)).status).toBe(404);
    expect((await end(person.sessionId)).status).toBe(204);
    expect((await api.request('GET', '/v1/me', { as: person })).status).toBe(401);
    expect(await list()).toHaveLength(1);
    expect((await end('current')).status).toBe(204);
    expect((await api.request('GET', '/v1/me', { as: second })).status).toBe(401);
    const audited = await auditOf(api.deps.db, person.companyId, person.sessionId);
    expect(audited.map(({ action }) => action)).toEqual(['session.end']);
  });

  test('end with their time', async () => {
    const person = await api.person(api.first.companyId, 'AGENT');
    await query(
      api.database.adminUrl,
      `UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`,
      [person.sessionId],
    );
    expect((await api.request('GET', '/v1/me', { as: person })).status).toBe(401);
  });

  test('of an ADMIN stay their own, whatever company they name', async () => {
    const headers = { 'x-company': api.first.slug };
    const { body } = await api.request('GET', '/v1/sessions', { as: api.admin, headers });
    expect(body.items.map(({ id }: { id: string }) => id)).toContain(api.admin.sessionId);
  });

  test('are closed to API keys', async () => {
    const key = await api.key(api.first.director, ['company:read']);
    expect((await api.request('GET', '/v1/sessions', { as: key })).status).toBe(403);
  });
});
