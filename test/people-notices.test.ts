import { setTimeout as delay } from 'node:timers/promises';
import { createNoticeActivities, type SendNoticeResult } from '../activities/notices';
import { SANDBOX_TOKEN, startSandbox, type Sandbox } from '../dev/sandbox/index';
import { RegenteError } from '../domain/errors';
import { noticeRefusal, noticeSubject, noticeText } from '../domain/notices';
import { lockNotice, markNotice } from '../prisma/notices';
import { withTenant } from '../prisma/tenant';
import { vendorFor } from '../providers/messaging/index';
import type { MessagingProvider } from '../providers/messaging/port';
import { startTestApi, type TestApi } from './support/api';
import { query } from './support/database';
import { until } from './support/until';

const LEASE_MS = 800;
const TIMEOUT_MS = 500;

let api: TestApi;
let sandbox: Sandbox;
const opened: MessagingProvider[] = [];
beforeAll(async () => {
  [api, sandbox] = await Promise.all([startTestApi(), startSandbox()]);
});
afterAll(async () => {
  await Promise.all(opened.map((provider) => provider.close()));
  await Promise.all([api.close(), sandbox.stop()]);
});

function openProvider(config: object = {}): MessagingProvider {
  const vendor = vendorFor('sandbox');
  const account = { url: sandbox.url, token: SANDBOX_TOKEN, webhookSecret: 's'.repeat(32) };
  const provider = vendor.open(vendor.parseConfig({ ...account, ...config }));
  opened.push(provider);
  return provider;
}

const activities = (open: () => MessagingProvider = openProvider) =>
  createNoticeActivities({
    db: api.deps.db,
    encryption: api.deps.encryption,
    openProvider: open,
    publicUrl: 'https://regente.example/',
    fromName: 'Cobrança Aurora',
    logger: api.deps.logger,
    leaseMs: LEASE_MS,
    requestTimeoutMs: TIMEOUT_MS,
  });

let people = 0;
interface Invited {
  userId: string;
  email: string;
  companyId: string;
  tokenId: string;
}

/** Somebody who was invited; addresses of the kind sandbox-00NN@ stage a fault of the vendor. */
async function invite(staged?: string): Promise<Invited> {
  const { companyId, director } = api.first;
  const email = `${staged ?? `lia.${(people += 1)}`}@n${(people += 1)}.example.com`;
  const body = { name: 'Lia Rocha', email, role: 'AGENT' };
  const answer = await api.request('POST', '/v1/users', { as: director, body });
  const [token] = await query<{ id: string }>(
    api.database.adminUrl,
    'SELECT id FROM verification_tokens WHERE user_id = $1 ORDER BY created_at DESC',
    [answer.body.id],
  );
  return { userId: answer.body.id, email, companyId, tokenId: token!.id };
}

const ledger = async ({ tokenId }: Invited) =>
  query(api.database.adminUrl, 'SELECT * FROM communications WHERE source_id = $1', [tokenId]);
const sentTo = ({ email }: Invited) => sandbox.messages().filter(({ to }) => to === email);
const pending = async ({ tokenId }: Invited): Promise<unknown> =>
  (
    await query(
      api.database.adminUrl,
      'SELECT pending_delivery FROM verification_tokens WHERE id = $1',
      [tokenId],
    )
  )[0]?.['pending_delivery'];

/** As the engine runs it: again after what the failure asks for, until there is an end. */
async function toTheEnd(
  { companyId, tokenId }: Invited,
  open?: () => MessagingProvider,
): Promise<{ outcome: SendNoticeResult['outcome']; retries: string[] }> {
  const { sendNotice } = activities(open);
  const retries: string[] = [];
  for (;;) {
    try {
      return { outcome: (await sendNotice({ companyId, tokenId })).outcome, retries };
    } catch (error) {
      if (!(error instanceof RegenteError) || error.code !== 'UNAVAILABLE') throw error;
      retries.push(String(error.details['code']));
      expect(retries.length).toBeLessThan(10);
      await delay(Math.min(error.retryAfterMs ?? 0, 3_000));
    }
  }
}

describe('an invitation', () => {
  test('reaches the person, in Portuguese, with a link that works once', async () => {
    const person = await invite();
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'sent' });
    const [message] = sentTo(person);
    expect(message).toMatchObject({
      channel: 'email',
      to: person.email,
      subject: 'Convite para a conta Empresa de Teste',
    });
    expect(message!.body).toContain('Olá, Lia Rocha,');
    const link = /https:\/\/regente\.example\/conta\/convite\?token=([\w-]{43})$/m.exec(
      message!.body,
    );
    const [row] = await ledger(person);
    expect(row).toMatchObject({
      source_kind: 'notice',
      channel: 'email',
      state: 'sent',
      address: person.email,
      provider_message_id: message!.id,
      cost: '0.0000',
    });
    expect(await pending(person)).toBeNull();
    const body = { token: link![1], password: 'girafa-lanterna-7' };
    const accept = () => api.request('POST', '/v1/invitations/accept', { body });
    expect([(await accept()).status, (await accept()).status]).toEqual([204, 400]);
  });

  test('is sent once, however often and however parallel it is asked for', async () => {
    const person = await invite();
    const { sendNotice } = activities();
    const attempts = await Promise.allSettled(Array.from({ length: 5 }, () => sendNotice(person)));
    const outcomes = attempts.map((each) =>
      each.status === 'fulfilled' ? each.value.outcome : 'in flight',
    );
    expect(outcomes.filter((outcome) => outcome === 'sent')).toHaveLength(1);
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'nothing' });
    expect(sentTo(person)).toHaveLength(1);
  });

  test('of somebody who was deactivated is not sent, and the ledger says why', async () => {
    const person = await invite();
    await query(api.database.adminUrl, `UPDATE users SET status = 'INACTIVE' WHERE id = $1`, [
      person.userId,
    ]);
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'skipped' });
    expect(await ledger(person)).toEqual([
      expect.objectContaining({ state: 'skipped', reason: 'inactive' }),
    ]);
    expect([sentTo(person), await pending(person)]).toEqual([[], null]);
  });

  test('that was replaced by a newer one is not sent', async () => {
    const person = await invite();
    await api.request('POST', `/v1/users/${person.userId}/invite`, { as: api.first.director });
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'skipped' });
    expect(await ledger(person)).toEqual([
      expect.objectContaining({ state: 'skipped', reason: 'not_needed' }),
    ]);
    expect(sentTo(person)).toEqual([]);
  });

  test('of somebody who was deleted is nothing', async () => {
    const person = await invite();
    await api.request('DELETE', `/v1/users/${person.userId}`, { as: api.first.director });
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'nothing' });
  });

  test('another company cannot have it sent', async () => {
    const person = await invite();
    const { sendNotice } = activities();
    const foreign = { companyId: api.second.companyId, tokenId: person.tokenId };
    expect(await sendNotice(foreign)).toEqual({ outcome: 'nothing' });
    expect(sentTo(person)).toEqual([]);
  });
});

test('a password reset reaches the person with a link of its own', async () => {
  const person = await api.person(api.first.companyId, 'AGENT');
  await api.request('POST', '/v1/password-resets', { body: { email: person.email } });
  let tokenId = '';
  await until('the link is on its way', async () => {
    const rows = await query<{ id: string }>(
      api.database.adminUrl,
      'SELECT id FROM verification_tokens WHERE user_id = $1',
      [person.id],
    );
    tokenId = rows[0]?.id ?? '';
    return tokenId !== '';
  });
  const invited = { ...person, userId: person.id, tokenId };
  expect(await toTheEnd(invited)).toMatchObject({ outcome: 'sent' });
  expect(sentTo(invited)[0]!.subject).toBe('Nova senha na conta Empresa de Teste');
  const token = /\/conta\/nova-senha\?token=([\w-]{43})$/m.exec(sentTo(invited)[0]!.body)![1];
  const body = { token, password: 'girafa-lanterna-9' };
  expect((await api.request('POST', '/v1/password-resets/confirm', { body })).status).toBe(204);
});

describe('when the provider fails', () => {
  test.each([
    ['429 first', 'sandbox-0004'],
    ['500 before accepting', 'sandbox-0005'],
    ['500 after accepting', 'sandbox-0006'],
    ['a connection dropped after accepting', 'sandbox-0007'],
    ['no answer after accepting', 'sandbox-0009'],
  ])('%s, the mail goes out exactly once', async (_, staged) => {
    const person = await invite(staged);
    const { outcome, retries } = await toTheEnd(person);
    expect(outcome).toBe('sent');
    expect(retries.length).toBeGreaterThan(0);
    expect(sentTo(person)).toHaveLength(1);
    expect(await ledger(person)).toEqual([expect.objectContaining({ state: 'sent' })]);
  });

  test('with neither key nor look-up, it is unknown rather than sent twice', async () => {
    const person = await invite('sandbox-0009');
    const open = () => openProvider({ idempotency: false, lookup: false });
    expect(await toTheEnd(person, open)).toMatchObject({ outcome: 'unknown' });
    expect(sentTo(person)).toHaveLength(1);
    expect(await ledger(person)).toEqual([expect.objectContaining({ state: 'unknown' })]);
    expect(await pending(person)).toBeNull();
  });

  test('with a look-up and no key, it is asked and found', async () => {
    const person = await invite('sandbox-0007');
    const open = () => openProvider({ idempotency: false, lookupSettlesMs: 0 });
    expect(await toTheEnd(person, open)).toMatchObject({ outcome: 'sent' });
    expect(sentTo(person)).toHaveLength(1);
  });

  test('a refused address has failed for good', async () => {
    const person = await invite('sandbox-0001');
    expect(await toTheEnd(person)).toMatchObject({ outcome: 'failed' });
    expect(await ledger(person)).toEqual([
      expect.objectContaining({ state: 'failed', permanent: true }),
    ]);
    expect(await pending(person)).toBeNull();
  });
});

test('a worker that died after the mark is waited for, and then its mail goes out', async () => {
  const person = await invite();
  await withTenant(api.deps.db, person.companyId, async (tx) => {
    const notice = await lockNotice(tx, person.tokenId);
    expect(await markNotice(tx, notice!, LEASE_MS)).toMatchObject({ kind: 'marked' });
  });
  const { outcome, retries } = await toTheEnd(person);
  expect({ outcome, first: retries[0] }).toEqual({ outcome: 'sent', first: 'IN_FLIGHT' });
  expect(sentTo(person)).toHaveLength(1);
});

test('without a provider it waits, and goes out once there is one', async () => {
  const person = await invite();
  const unconfigured = (): MessagingProvider => {
    throw new RegenteError('CONFIGURATION', 'NOTICE_PROVIDER is not set.');
  };
  const { sendNotice } = activities(unconfigured);
  await expect(sendNotice(person)).rejects.toMatchObject({ details: { code: 'not_configured' } });
  expect(await ledger(person)).toEqual([expect.objectContaining({ state: 'queued' })]);
  expect(await toTheEnd(person)).toMatchObject({ outcome: 'sent' });
  expect(sentTo(person)).toHaveLength(1);
});

test('no token can be read in the database, before or after', async () => {
  const person = await invite();
  await toTheEnd(person);
  const token = /token=([\w-]{43})/.exec(sentTo(person)[0]!.body)![1]!;
  const rows = await query<{ row: string }>(
    api.database.adminUrl,
    `SELECT t::text AS row FROM verification_tokens t UNION ALL SELECT c::text FROM communications c
       UNION ALL SELECT o::text FROM outbox o UNION ALL SELECT a::text FROM audit_logs a`,
  );
  expect(rows.some(({ row }) => row.includes(person.tokenId))).toBe(true);
  expect(rows.filter(({ row }) => row.includes(token))).toEqual([]);
});

describe('the gate of account mail', () => {
  const now = new Date('2026-11-21T12:00:00Z');
  const open = {
    purpose: 'invitation' as const,
    userStatus: 'INVITED' as const,
    usedAt: null,
    expiresAt: new Date('2026-11-28T12:00:00Z'),
    pendingDelivery: 'v1:…',
  };
  test.each([
    ['lets an open invitation pass', {}, null],
    [
      'lets a reset of an active person pass',
      { purpose: 'password_reset', userStatus: 'ACTIVE' },
      null,
    ],
    ['stops for an inactive person', { userStatus: 'INACTIVE' }, 'inactive'],
    ['stops an invitation of an active person', { userStatus: 'ACTIVE' }, 'not_needed'],
    ['stops a reset of an invited person', { purpose: 'password_reset' }, 'not_needed'],
    ['stops a used token', { usedAt: now }, 'not_needed'],
    ['stops a token that was sent', { pendingDelivery: null }, 'not_needed'],
    ['stops an expired token', { expiresAt: now }, 'deadline'],
  ] as const)('%s', (_, change, expected) => {
    expect(noticeRefusal({ ...open, ...change }, now)).toBe(expected);
  });
});

test('the subject is one line, whatever the company calls itself', () => {
  const companyName = 'Acme\r\nBcc: todos@example.com\u2028 Filial';
  expect(noticeSubject({ purpose: 'invitation', companyName })).toBe(
    'Convite para a conta Acme Bcc: todos@example.com Filial',
  );
});

test('the text names the time on the company’s clock', () => {
  const text = noticeText({
    purpose: 'password_reset',
    publicUrl: 'https://regente.example',
    fromName: 'Regente',
    token: 'abc',
    expiresAt: new Date('2026-11-21T12:00:00Z'),
    timeZone: 'America/Manaus',
    personName: 'Rui',
    companyName: 'Acme',
  });
  expect(text).toContain('21/11/2026, 08:00');
  expect(text).toContain('https://regente.example/conta/nova-senha?token=abc');
});
