import { randomBytes, randomUUID } from 'node:crypto';
import { withTenant } from '../prisma/tenant';
import { createTestDatabase, query, type TestDatabase } from './support/database';
import {
  createBroker,
  createCompany,
  createCredential,
  createUser,
  createWallet,
} from './support/factories';

const HOUR_MS = 3_600_000;
const fromNow = (ms: number): Date => new Date(Date.now() + ms);
const newHash = (): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(32));

let database: TestDatabase;
let companyId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  companyId = await createCompany(database.db, { slug: 'aurora' });
});
afterAll(() => database.drop());

/** As the application, with no tenant. */
const call = <Row extends object = Record<string, unknown>>(
  sql: string,
  ...values: unknown[]
): Promise<Row[]> => query<Row>(database.appUrl, sql, values);

/** Bends time: as the superuser, whom no policy stops. */
const force = (sql: string, ...values: unknown[]): Promise<unknown[]> =>
  query(database.adminUrl, sql, values);

describe('lookup_login', () => {
  test('finds a person by e-mail in any case, whatever their status', async () => {
    const email = 'ana@aurora.example';
    const fields = { email, passwordHash: 'h', role: 'MANAGER', status: 'INACTIVE' };
    const id = await createUser(database.db, companyId, fields);
    expect(await call('SELECT * FROM lookup_login($1)', 'Ana@Aurora.Example')).toEqual([
      { id, company_id: companyId, password_hash: 'h', status: 'INACTIVE', role: 'MANAGER' },
    ]);
  });

  test('finds nobody else', async () => {
    for (const email of ['nobody@aurora.example', '%', '']) {
      expect(await call('SELECT * FROM lookup_login($1)', email)).toEqual([]);
    }
  });
});

describe('lookup_session', () => {
  async function createSession(
    status = 'ACTIVE',
    expiresAt = fromNow(HOUR_MS),
  ): Promise<{ id: string; userId: string; hash: Uint8Array }> {
    const userId = await createUser(database.db, companyId, { status });
    const tokenHash = newHash();
    const { id } = await withTenant(database.db, companyId, (tx) =>
      tx.session.create({ data: { companyId, userId, tokenHash, expiresAt } }),
    );
    return { id, userId, hash: tokenHash };
  }
  const lookUp = (hash: Uint8Array): Promise<Record<string, unknown>[]> =>
    call('SELECT * FROM lookup_session($1)', Buffer.from(hash));

  test('finds a running session of an active person', async () => {
    const { id, userId, hash } = await createSession();
    expect(await lookUp(hash)).toEqual([
      { session_id: id, user_id: userId, company_id: companyId, role: 'AGENT' },
    ]);
  });

  test.each([
    ['an expired one', 'ACTIVE', -1000],
    ['one of an inactive person', 'INACTIVE', HOUR_MS],
    ['one of a person who has not accepted the invitation', 'INVITED', HOUR_MS],
  ])('does not find %s', async (_, status, expiresInMs) => {
    const { hash } = await createSession(status, fromNow(expiresInMs));
    expect(await lookUp(hash)).toEqual([]);
  });

  test('does not find an unknown token', async () => {
    expect(await lookUp(newHash())).toEqual([]);
  });

  test('notes the use, once a minute at most', async () => {
    const { id, hash } = await createSession();
    const lastUse = async (): Promise<Date | undefined> => {
      const rows = await force('SELECT last_used_at AS at FROM sessions WHERE id = $1', id);
      return (rows as { at: Date }[])[0]?.at;
    };
    const atFirst = await lastUse();
    await lookUp(hash);
    expect(await lastUse()).toEqual(atFirst);
    await force(
      `UPDATE sessions SET last_used_at = now() - interval '2 minutes' WHERE id = $1`,
      id,
    );
    await lookUp(hash);
    expect((await lastUse())?.getTime()).toBeGreaterThanOrEqual(atFirst?.getTime() ?? Infinity);
  });
});

describe('lookup_api_key', () => {
  async function createKey(fields: {
    expiresAt?: Date;
    revokedAt?: Date;
    createdBy?: string;
  }): Promise<{ id: string; hash: Uint8Array }> {
    const keyHash = newHash();
    const data = { companyId, name: 'ERP', prefix: 'rgt_x', keyHash, scopes: ['campaigns:read'] };
    const { id } = await withTenant(database.db, companyId, (tx) =>
      tx.apiKey.create({ data: { ...data, ...fields } }),
    );
    return { id, hash: keyHash };
  }
  const lookUp = (hash: Uint8Array): Promise<Record<string, unknown>[]> =>
    call('SELECT * FROM lookup_api_key($1)', Buffer.from(hash));

  test('finds a key with its scopes and notes the use', async () => {
    const createdBy = await createUser(database.db, companyId);
    for (const fields of [{}, { expiresAt: fromNow(HOUR_MS) }, { createdBy }]) {
      const { id, hash } = await createKey(fields);
      expect(await lookUp(hash)).toEqual([
        { key_id: id, company_id: companyId, scopes: ['campaigns:read'] },
      ]);
      expect(await force('SELECT last_used_at FROM api_keys WHERE id = $1', id)).toEqual([
        { last_used_at: expect.any(Date) },
      ]);
    }
  });

  test('does not find a key that is unknown, expired, revoked or of an inactive person', async () => {
    const createdBy = await createUser(database.db, companyId, { status: 'INACTIVE' });
    const dead = [{ expiresAt: fromNow(-1) }, { revokedAt: fromNow(-1) }, { createdBy }];
    for (const fields of dead) expect(await lookUp((await createKey(fields)).hash)).toEqual([]);
    expect(await lookUp(newHash())).toEqual([]);
  });
});

describe('lookup_verification_token', () => {
  async function createToken(status: string, fields: { expiresAt?: Date; usedAt?: Date } = {}) {
    const userId = await createUser(database.db, companyId, { status });
    const tokenHash = newHash();
    const data = {
      companyId,
      userId,
      purpose: 'invitation',
      tokenHash,
      expiresAt: fromNow(HOUR_MS),
    };
    const { id } = await withTenant(database.db, companyId, (tx) =>
      tx.verificationToken.create({ data: { ...data, ...fields } }),
    );
    const found = await call('SELECT * FROM lookup_verification_token($1)', Buffer.from(tokenHash));
    return {
      found,
      expected: { token_id: id, company_id: companyId, user_id: userId, purpose: 'invitation' },
    };
  }

  test.each(['INVITED', 'ACTIVE'])('finds one that can be used, of a person %s', async (status) => {
    const { found, expected } = await createToken(status);
    expect(found).toEqual([expected]);
  });

  test('does not find one that was used, is expired or belongs to an inactive person', async () => {
    expect((await createToken('INVITED', { usedAt: fromNow(-1) })).found).toEqual([]);
    expect((await createToken('INVITED', { expiresAt: fromNow(-1) })).found).toEqual([]);
    expect((await createToken('INACTIVE')).found).toEqual([]);
  });
});

describe('lookup_webhook', () => {
  test('finds the account of a webhook path, also one that is no longer active: its reports still come', async () => {
    const walletId = await createWallet(database.db, companyId);
    const brokerId = await createBroker(database.db, companyId, { provider: 'sandbox' });
    for (const active of [true, false]) {
      const webhookToken = randomUUID();
      const fields = { walletId, brokerId, webhookToken, active };
      const id = await createCredential(database.db, companyId, fields);
      expect(await call('SELECT * FROM lookup_webhook($1)', webhookToken)).toEqual([
        { credential_id: id, company_id: companyId, provider: 'sandbox' },
      ]);
    }
    expect(await call('SELECT * FROM lookup_webhook($1)', randomUUID())).toEqual([]);
  });
});

describe('lookup_company', () => {
  test('finds a company by slug or id, and nothing for anything else', async () => {
    for (const text of ['aurora', companyId]) {
      expect(await call('SELECT lookup_company($1) AS id', text)).toEqual([{ id: companyId }]);
    }
    for (const text of ['Aurora', 'auror%', '', randomUUID()]) {
      expect(await call('SELECT lookup_company($1) AS id', text)).toEqual([{ id: null }]);
    }
  });
});

describe('count_login_attempt', () => {
  const count = async (subject: string, window = '15 minutes'): Promise<unknown> =>
    (await call('SELECT count_login_attempt($1, $2::interval) AS n', subject, window))[0]?.['n'];

  test('counts each subject by itself, also when the guesses come at once', async () => {
    expect(await count('ip:1')).toBe(1);
    const rest = await Promise.all(Array.from({ length: 9 }, () => count('ip:1')));
    expect(rest.sort((a, b) => Number(a) - Number(b))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await count('ip:2')).toBe(1);
  });

  test('begins again in the next window and forgets windows of days ago', async () => {
    await count('ip:3');
    await force(
      `UPDATE login_attempts SET window_start = window_start - interval '15 minutes' WHERE subject = 'ip:3'`,
    );
    expect(await count('ip:3')).toBe(1);
    await force(
      `UPDATE login_attempts SET window_start = window_start - interval '2 days' WHERE subject = 'ip:3'`,
    );
    await count('ip:4');
    expect(await force(`SELECT FROM login_attempts WHERE subject = 'ip:3'`)).toEqual([]);
  });
});

describe('message_key', () => {
  const id = '0197a3c4-1111-7abc-8def-0123456789ab';
  const read = async (reference: string | null): Promise<unknown> =>
    (
      await call(
        'SELECT ledger_month::text, source_id, position, step, channel FROM message_key($1)',
        reference,
      )
    ).find((row) => row['source_id'] !== null);

  test('reads back our own reference', async () => {
    expect(await read(`202611.${id}.1234567.2.whatsapp`)).toEqual({
      ledger_month: '2026-11-01',
      source_id: id,
      position: 1234567,
      step: 2,
      channel: 'whatsapp',
    });
  });

  test.each([
    null,
    '',
    'SM0123456789abcdef',
    `000001.${id}.1.0.sms`,
    `202613.${id}.1.0.sms`,
    `202600.${id}.1.0.sms`,
    `26-11.${id}.1.0.sms`,
    `202611.${id.slice(1)}.1.0.sms`,
    `202611.${id.toUpperCase()}.1.0.sms`,
    `202611.${id}.-1.0.sms`,
    `202611.${id}.99999999999.0.sms`,
    `202611.${id}.1.0.`,
    `202611.${id}.1.0.SMS`,
    `202611.${id}.1.0.sms.x`,
    ` 202611.${id}.1.0.sms`,
    `202611.${id}.1.0.sms\n`,
    `202611.${id}.٣.0.sms`,
    '9'.repeat(4000),
  ])('reads nothing from %p', async (reference) => {
    expect(await read(reference)).toBeUndefined();
  });
});
