import { forgottenUpdates, schemaShapes } from './support/prisma-schema';
import { createBudget, createCompany, createWallet } from './support/factories';
import { withTenant } from '../prisma/tenant';
import { createTestDatabase, query, withClient, type TestDatabase } from './support/database';
import { databaseShapes } from './support/table-shapes';

/** Indexes that Prisma cannot express (partial, or null equal to null), so that prisma/schema is silent about them. */
const SQL_ONLY = [
  'INDEX audiences_company_id_created_by_id_idx ON audiences (company_id, created_by, id DESC) WHERE (source = test)',
  'INDEX blocklist_entries_company_id_cpf_cnpj_idx ON blocklist_entries (company_id, cpf_cnpj) WHERE (cpf_cnpj IS NOT NULL)',
  'INDEX campaign_executions_open ON campaign_executions (id) WHERE (state <> ALL (ARRAY[FINISHED, FAILED, CANCELLED]))',
  'INDEX outbox_due ON outbox (next_attempt_at) WHERE (delivered_at IS NULL)',
  'INDEX webhook_inbox_due ON webhook_inbox (company_id, next_attempt_at) WHERE (state = pending)',
  'UNIQUE INDEX blocklist_entries_company_id_phone_cpf_cnpj_key ON blocklist_entries (company_id, phone, cpf_cnpj) NULLS NOT DISTINCT',
  'UNIQUE INDEX campaign_executions_one_open ON campaign_executions (campaign_id) WHERE ((execution_type <> test) AND (state <> ALL (ARRAY[FINISHED, FAILED, CANCELLED])))',
  'UNIQUE INDEX credentials_one_active ON credentials (company_id, wallet_id, broker_id) WHERE active',
];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('the Prisma schema and the migrated database', () => {
  test('have the same tables, columns, types, nullability, defaults, keys and indexes', async () => {
    const { tables } = await withClient(database.adminUrl, databaseShapes);
    expect(tables).toEqual(schemaShapes());
    expect(Object.keys(tables).length).toBeGreaterThan(30);
  });

  test('differ only by the indexes that Prisma cannot express', async () => {
    const { sqlOnly } = await withClient(database.adminUrl, databaseShapes);
    expect(sqlOnly).toEqual(SQL_ONLY);
  });

  test('leave no updated_at that the client forgets to set', () => {
    expect(forgottenUpdates()).toEqual([]);
  });

  test.each([
    'ALTER TABLE wallets ADD COLUMN note text',
    'ALTER TABLE wallets DROP COLUMN name',
    'ALTER TABLE wallets RENAME COLUMN name TO title',
    'ALTER TABLE budgets ALTER COLUMN used TYPE numeric(14, 2)',
    'ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz(6)',
    'ALTER TABLE users ALTER COLUMN name DROP NOT NULL',
    'ALTER TABLE users ALTER COLUMN linkedin SET NOT NULL',
    `ALTER TABLE users ALTER COLUMN status SET DEFAULT 'ACTIVE'`,
    'ALTER TABLE companies ALTER COLUMN id DROP DEFAULT',
    'ALTER TABLE companies DROP CONSTRAINT companies_slug_key',
    'CREATE UNIQUE INDEX ON companies (domain)',
    'CREATE INDEX ON companies (domain)',
    'DROP INDEX credentials_company_id_broker_id_idx',
    'ALTER TABLE audience_rejects DROP CONSTRAINT audience_rejects_pkey',
    'ALTER TABLE budgets DROP CONSTRAINT budgets_company_id_wallet_id_fkey',
    'ALTER TABLE campaigns ADD FOREIGN KEY (cloned_from) REFERENCES campaigns (id)',
    'CREATE TABLE accounts (id uuid PRIMARY KEY)',
    'CREATE VIEW recent AS SELECT id FROM campaigns',
    'DROP TABLE opt_outs',
  ])('are seen to differ after %s', async (drift) => {
    const { tables } = await shapesAfter(drift);
    expect(tables).not.toEqual(schemaShapes());
  });

  test.each([
    'DROP INDEX credentials_one_active',
    'CREATE INDEX ON users (name) WHERE area IS NULL',
  ])('are seen to differ in what Prisma cannot express after %s', async (drift) => {
    const { sqlOnly } = await shapesAfter(drift);
    expect(sqlOnly).not.toEqual(SQL_ONLY);
  });
});

/** The shapes with a change that is never committed. */
function shapesAfter(change: string): ReturnType<typeof databaseShapes> {
  return withClient(database.adminUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(change);
    return databaseShapes(client);
  });
}

describe('the application role', () => {
  test('owns nothing, bypasses nothing and belongs to no other role', async () => {
    const [role] = await query(
      database.adminUrl,
      `SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
         (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS relations,
         (SELECT count(*)::int FROM pg_proc WHERE proowner = r.oid) AS functions,
         (SELECT count(*)::int FROM pg_auth_members WHERE member = r.oid) AS memberships,
         has_schema_privilege(r.oid, 'public', 'CREATE') AS may_create
       FROM pg_roles r WHERE rolname = 'regente_app'`,
    );
    expect(role).toEqual({
      rolsuper: false,
      rolbypassrls: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      relations: 0,
      functions: 0,
      memberships: 0,
      may_create: false,
    });
    const [current] = await query(database.appUrl, 'SELECT current_user AS name');
    expect(current).toEqual({ name: 'regente_app' });
  });

  test('has no grant that would pass by the policies: no TRUNCATE, REFERENCES or TRIGGER', async () => {
    const grants = await query(
      database.adminUrl,
      `SELECT c.relname, p.privilege FROM pg_class c, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']) p(privilege)
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND has_table_privilege('regente_app', c.oid, p.privilege)`,
    );
    expect(grants).toEqual([]);
  });

  test("has nothing on partitions, login attempts and Prisma's own table", async () => {
    const closed = await query<{ relname: string; open: boolean }>(
      database.adminUrl,
      `SELECT relname, has_any_column_privilege('regente_app', oid, 'SELECT, INSERT, UPDATE')
           OR has_table_privilege('regente_app', oid, 'SELECT, INSERT, UPDATE, DELETE') AS open
         FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND (relispartition OR relname IN ('login_attempts', '_prisma_migrations'))`,
    );
    expect(closed.length).toBeGreaterThanOrEqual(8);
    expect(closed.filter(({ open }) => open)).toEqual([]);
  });

  test('can neither change nor delete a line of the audit', async () => {
    const companyId = await createCompany(database.db);
    await withTenant(database.db, companyId, (tx) =>
      tx.auditLog.create({
        data: { companyId, actorType: 'system', action: 'x.y', entityType: 'x', entityId: '1' },
      }),
    );
    for (const statement of [
      `UPDATE audit_logs SET action = 'x.z'`,
      'DELETE FROM audit_logs',
      'TRUNCATE audit_logs',
    ]) {
      await expect(asTenant(companyId, statement)).rejects.toMatchObject({ code: '42501' });
    }
    expect(await asTenant(companyId, 'SELECT action FROM audit_logs')).toEqual([{ action: 'x.y' }]);
  });
});

describe('row-level security', () => {
  test('is forced, with a policy for reading and writing, on every table', async () => {
    const tables = await query<{ relname: string; safe: boolean }>(
      database.adminUrl,
      `SELECT relname, relrowsecurity AND relforcerowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS safe
         FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
           AND relname <> '_prisma_migrations'`,
    );
    expect(tables.length).toBeGreaterThan(30);
    expect(tables.filter(({ safe }) => !safe)).toEqual([]);
  });

  test('compares the company in every policy, and nothing else widens it', async () => {
    const policies = await query<{ tablename: string; rule: string }>(
      database.adminUrl,
      `SELECT tablename, concat_ws(' | ', permissive, roles::text, cmd, qual, with_check) AS rule FROM pg_policies
         WHERE schemaname = 'public'`,
    );
    const company = (column: string): string =>
      `PERMISSIVE | {public} | ALL | (${column} = app_company()) | (${column} = app_company())`;
    const special: Record<string, string> = {
      companies: company('id'),
      login_attempts: 'PERMISSIVE | {public} | ALL | false',
    };
    expect(
      policies.filter(
        ({ tablename, rule }) => rule !== (special[tablename] ?? company('company_id')),
      ),
    ).toEqual([]);
  });

  test('cannot be passed by a view or a rule, since there are none', async () => {
    const found = await query(
      database.adminUrl,
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind IN ('v', 'm', 'f') OR relhasrules)`,
    );
    expect(found).toEqual([]);
  });
});

describe('functions that look across companies', () => {
  test('belong to a role that cannot log in', async () => {
    const [role] = await query(
      database.adminUrl,
      `SELECT rolcanlogin, rolsuper, rolbypassrls, has_schema_privilege(oid, 'public', 'CREATE') AS may_create
         FROM pg_roles WHERE rolname = 'regente_definer'`,
    );
    expect(role).toEqual({
      rolcanlogin: false,
      rolsuper: false,
      rolbypassrls: true,
      may_create: false,
    });
  });

  test('are closed to PUBLIC, open to the application and pin their search path', async () => {
    const functions = await query<{ name: string }>(
      database.adminUrl,
      `SELECT p.proname AS name, pg_get_userbyid(p.proowner) AS owner, p.proconfig AS config,
         has_function_privilege('public', p.oid, 'EXECUTE') AS public,
         has_function_privilege('regente_app', p.oid, 'EXECUTE') AS app
       FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1`,
    );
    expect(functions).toEqual(
      [
        'companies_with_due_events',
        'count_login_attempt',
        'forgive_login_attempt',
        'installation_figures',
        'ledger_ensure_partitions',
        'list_companies',
        'lookup_api_key',
        'lookup_company',
        'lookup_login',
        'lookup_session',
        'lookup_verification_token',
        'lookup_webhook',
        'open_executions',
        'outbox_due',
        'prune_expired',
      ].map((name) => ({
        name,
        owner: name === 'ledger_ensure_partitions' ? 'regente_owner' : 'regente_definer',
        config: ['search_path=public, pg_temp'],
        public: false,
        app: true,
      })),
    );
  });

  test('can read and change no more than they need', async () => {
    const grants = await query<{ grant: string }>(
      database.adminUrl,
      `SELECT relname || ': ' || string_agg(privilege, ', ' ORDER BY privilege) AS grant
         FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) privilege
         WHERE c.relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND has_table_privilege('regente_definer', c.oid, privilege) GROUP BY relname ORDER BY 1`,
    );
    expect(grants.map(({ grant }) => grant)).toEqual([
      'contact_frequency: DELETE',
      'idempotency_keys: DELETE',
      'login_attempts: DELETE, INSERT, UPDATE',
      'outbox: DELETE',
      'provider_messages: DELETE, INSERT',
      'rate_buckets: DELETE',
      'sessions: DELETE',
      'webhook_inbox: DELETE',
    ]);
  });
});

describe('a budget', () => {
  test.each([
    { budget: '100', used: '60.0001', reserved: '40' },
    { budget: '100', used: '-0.0001', reserved: '0' },
    { budget: '100', used: '0', reserved: '-0.0001' },
    { budget: '-1', used: '0', reserved: '0' },
    { budget: '0', used: '0', reserved: '0.0001' },
  ])('cannot hold $used used and $reserved reserved of $budget', async (amounts) => {
    const companyId = await createCompany(database.db);
    const walletId = await createWallet(database.db, companyId);
    const refused = createBudget(database.db, companyId, { walletId, ...amounts });
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('can be used to its last cent, and not lowered below that', async () => {
    const companyId = await createCompany(database.db);
    const walletId = await createWallet(database.db, companyId);
    await createBudget(database.db, companyId, {
      walletId,
      budget: '100',
      used: '60.5',
      reserved: '39.5',
    });
    const statement = 'UPDATE budgets SET budget = 99.9999';
    await expect(asTenant(companyId, statement)).rejects.toMatchObject({ code: '23514' });
  });
});

/** One statement of the application, for this company, on a connection of its own. */
function asTenant(companyId: string, statement: string): Promise<Record<string, unknown>[]> {
  return withClient(database.appUrl, async (client) => {
    await client.query(`SELECT set_config('app.company_id', $1, false)`, [companyId]);
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}
