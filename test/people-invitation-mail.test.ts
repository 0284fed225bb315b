import { startTestApi, type TestApi } from './support/api';

/** Two processes' worth of API on the same database: without account mail and with it. */
let silent: TestApi;
let mailing: TestApi;
beforeAll(async () => {
  silent = await startTestApi();
  const config = { url: 'http://127.0.0.1:1', token: 'none', webhookSecret: 'whsec-mail' };
  mailing = await startTestApi({
    database: silent.database,
    env: { NOTICE_PROVIDER: 'sandbox', NOTICE_PROVIDER_CONFIG: JSON.stringify(config) },
  });
});
afterAll(async () => {
  await mailing.close();
  await silent.close();
});

async function invite(api: TestApi, email: string) {
  const as = api.first.director;
  const body = { name: 'Lia', email, role: 'AGENT' };
  const first = await api.request('POST', '/v1/users', { as, body });
  const again = await api.request('POST', `/v1/users/${first.body.id}/invite`, { as });
  return { first, again };
}

test('an invitation says that its e-mail is on its way, the first time and again', async () => {
  const body = { invitationMail: 'queued' };
  expect(await invite(mailing, 'lia@example.com')).toMatchObject({
    first: { status: 201, body },
    again: { status: 202, body },
  });
});

test('an invitation says that none will come where account mail is not configured', async () => {
  const body = { invitationMail: 'not_configured' };
  expect(await invite(silent, 'lia.alves@example.com')).toMatchObject({
    first: { status: 201, body },
    again: { status: 202, body },
  });
});

test('a forgotten password is answered alike with account mail and without, known or not', async () => {
  for (const api of [silent, mailing]) {
    for (const email of [api.first.agent.email, 'ninguem@example.com']) {
      const answer = await api.request('POST', '/v1/password-resets', { body: { email } });
      expect([answer.status, answer.body]).toEqual([202, null]);
    }
  }
});
