import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { withTenant } from '../prisma/tenant';
import { auditOf } from './support/audit';
import { query, withClient } from './support/database';
import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';
import { until } from './support/until';

let api: MoneyApi;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  api = await startMoneyApi();
  [ours, theirs] = [await api.tenant(), await api.tenant()];
});
afterAll(() => api.stop());

const PATH = '/v1/blocklist';
const CPF = '529.982.247-25';
const block = (body: object, tenant = ours) => tenant.call('POST', PATH, { body }, 'MANAGER');
const upload = (file: string | Uint8Array, tenant = ours, headers: Record<string, string> = {}) =>
  tenant.call(
    'PUT',
    `${PATH}/import`,
    { body: file, headers: { 'content-type': 'text/csv', ...headers } },
    'MANAGER',
  );
const phone = (index: number) => `119${String(10_000_000 + index)}`;

describe('one entry', () => {
  test('is kept as the gate compares it and found by any spelling', async () => {
    const created = await block({ phone: '(11) 98765-4321', cpfCnpj: CPF, reason: 'Procon' });
    expect(created).toMatchObject({
      status: 201,
      body: { phone: '+5511987654321', cpfCnpj: '52998224725', reason: 'Procon' },
    });
    const { id } = created.body;
    for (const filter of ['phone=11987654321', 'cpfCnpj=52998224725', 'text=proc'])
      expect((await ours.call('GET', `${PATH}?${filter}`)).body.items).toEqual([created.body]);
    expect((await ours.call('GET', `${PATH}?reason=Procon`)).status).toBe(400);
    const changed = await ours.call('PATCH', `${PATH}/${id}`, { body: { phone: null } });
    expect(changed.body).toMatchObject({ phone: null, cpfCnpj: '52998224725' });
    const emptied = await ours.call('PATCH', `${PATH}/${id}`, { body: { cpfCnpj: null } });
    expect(emptied.status).toBe(400);
    expect((await ours.call('DELETE', `${PATH}/${id}`)).status).toBe(204);
    expect(await auditOf(api.db, ours.companyId, id)).toHaveLength(3);
  });

  test.each([
    ['nobody', { reason: 'x' }, '/phone'],
    ['a phone that is none', { phone: '123' }, '/phone'],
    ['a CPF that does not check', { cpfCnpj: '52998224724' }, '/cpfCnpj'],
    ['an unknown field', { phone: '11987654321', cpf: '1' }, '/cpf'],
  ])('of %s is refused', async (_, body, pointer) => {
    const refused = await block(body);
    expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
    expect(refused.body.errors[0].pointer).toBe(pointer);
  });

  test('is unique in a company and free in another', async () => {
    await block({ phone: '21987654321' });
    expect((await block({ phone: '+55 21 98765 4321' })).status).toBe(409);
    expect((await block({ phone: '21987654321', cpfCnpj: CPF })).status).toBe(201);
    expect((await block({ phone: '21987654321' }, theirs)).status).toBe(201);
  });

  test('of another company does not exist', async () => {
    const { id } = (await block({ phone: '31987654321' })).body;
    expect((await theirs.call('GET', `${PATH}/${id}`)).status).toBe(404);
    const patch = { body: { reason: 'x' } };
    expect((await theirs.call('PATCH', `${PATH}/${id}`, patch)).status).toBe(404);
    expect((await theirs.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
    const many = await theirs.call('POST', `${PATH}/delete`, { body: { ids: [id] } });
    expect(many.body).toEqual({ deleted: 0 });
    expect((await ours.call('GET', `${PATH}/${id}`)).status).toBe(200);
  });

  test('is not an agent’s to write', async () => {
    const body = { phone: '41987654321' };
    expect((await ours.call('POST', PATH, { body }, 'AGENT')).status).toBe(403);
    expect((await ours.call('PUT', `${PATH}/import`, { body: 'x' }, 'AGENT')).status).toBe(403);
    const ids = { body: { ids: [ours.companyId] } };
    expect((await ours.call('POST', `${PATH}/delete`, ids, 'AGENT')).status).toBe(403);
  });
});

test('many entries are deleted at once, and the audit keeps them', async () => {
  const tenant = await api.tenant();
  const ids: string[] = [];
  for (const index of [1, 2, 3]) ids.push((await block({ phone: phone(index) }, tenant)).body.id);
  const { body } = await tenant.call('POST', `${PATH}/delete`, { body: { ids: ids.slice(1) } });
  expect(body).toEqual({ deleted: 2 });
  expect((await tenant.call('GET', PATH)).body.items).toHaveLength(1);
  const [audit] = await auditOf(api.db, tenant.companyId, tenant.companyId);
  expect(audit).toMatchObject({
    action: 'blocklist.delete',
    changes: { before: [{ companyId: tenant.companyId }, { companyId: tenant.companyId }] },
  });
});

describe('an imported file', () => {
  test('of 20,000 rows is a few statements, and the same file again changes nothing', async () => {
    const tenant = await api.tenant();
    const rows = Array.from({ length: 20_000 }, (_, index) => `${phone(index)};;inadimplente`);
    const file = gzipSync(['telefone;cpf;motivo', ...rows].join('\r\n'));
    const first = await upload(file, tenant, { 'content-type': 'application/gzip' });
    expect(first).toMatchObject({
      status: 200,
      body: { added: 20_000, alreadyThere: 0, invalidCount: 0, invalid: [] },
    });
    // Each inserting statement leaves its own pair of transaction and command on its rows.
    const [counted] = await query<{ statements: string; entries: string }>(
      api.database.adminUrl,
      `SELECT count(DISTINCT (xmin::text, cmin::text)) AS statements, count(*) AS entries
         FROM blocklist_entries WHERE company_id = $1`,
      [tenant.companyId],
    );
    expect(Number(counted?.entries)).toBe(20_000);
    expect(Number(counted?.statements)).toBeLessThanOrEqual(5);
    const audit = await auditOf(api.db, tenant.companyId, tenant.companyId);
    expect(audit).toHaveLength(Number(counted?.statements));
    expect((await upload(file, tenant)).body).toMatchObject({ added: 0, alreadyThere: 20_000 });
  });

  test('reports the bad rows by line and takes the others', async () => {
    const tenant = await api.tenant();
    const file = Buffer.from(
      [
        '"Nome";"DDD";"Celular";"CPF";"Motivo"',
        `Ana;11;98765-4321;${CPF};"não quer;\nmais"`,
        'Bia;11;987654321;;de novo',
        'Caio;;123;;',
        'Davi;;;123;',
        'Eva;;;;só o nome',
        'Gil;;(21) 98765-4321;NULL;',
      ].join('\r\n'),
      'latin1',
    );
    const { body } = await upload(file, tenant);
    expect(body).toEqual({
      added: 3,
      alreadyThere: 0,
      invalidCount: 3,
      invalid: [
        { line: 5, column: 'Celular', reason: 'wrong_length' },
        { line: 6, column: 'CPF', reason: 'invalid_document' },
        { line: 7, column: 'Celular', reason: 'missing_address' },
      ],
    });
    const { items } = (await tenant.call('GET', PATH)).body;
    expect(items.map(({ phone, reason }: Record<string, unknown>) => [phone, reason])).toEqual(
      expect.arrayContaining([
        ['+5511987654321', 'não quer; mais'],
        ['+5511987654321', 'de novo'],
        ['+5521987654321', null],
      ]),
    );
  });

  test('is the example that the demo uses, taken whole', async () => {
    const file = await readFile(join(__dirname, '../examples/bloqueados.csv'));
    const rows = file.toString('utf8').trim().split('\n').length - 1;
    const { body } = await upload(file, await api.tenant());
    expect(body).toEqual({ added: rows, alreadyThere: 0, invalidCount: 0, invalid: [] });
  });

  test('with only documents is enough, and at most a hundred bad rows are listed', async () => {
    const bad = Array.from({ length: 150 }, (_, index) => String(index + 1));
    const { body } = await upload(['cnpj', '11.222.333/0001-81', ...bad].join('\n'));
    expect(body).toMatchObject({ added: 1, invalidCount: 150 });
    expect(body.invalid).toHaveLength(100);
    expect(body.invalid[0]).toEqual({ line: 3, column: 'cnpj', reason: 'invalid_document' });
  });

  test.each([
    ['without an address column', 'nome;cidade\nAna;Natal\n', 400, /No column holds phones/],
    ['that is empty', '', 400, /empty/],
    ['that is JSON, however large', `[{"telefone":"${'1'.repeat(8_000_000)}"}]`, 415, /JSON/],
    ['that is a workbook', 'PK\u0003\u0004xxxxxxxx', 415, /Excel/],
  ])('%s is refused as a whole', async (_, file, status, detail) => {
    const refused = await upload(file);
    expect(refused.status).toBe(status);
    expect(refused.body.detail).toMatch(detail);
  });

  test('that breaks off keeps what came before and says how much', async () => {
    const tenant = await api.tenant();
    const reason = 'x'.repeat(200);
    const rows = Array.from({ length: 12_000 }, (_, index) => `${phone(index)};${reason}`);
    const whole = gzipSync(['telefone;motivo', ...rows].join('\n'));
    const refused = await upload(whole.subarray(0, whole.length - 20), tenant);
    expect(refused).toMatchObject({ status: 400, body: { code: 'VALIDATION' } });
    const { added } = refused.body;
    expect(added).toBeGreaterThan(0);
    expect((await upload(whole, tenant)).body).toMatchObject({
      added: 12_000 - added,
      alreadyThere: added,
    });
  });

  test('is answered once for a repeated Idempotency-Key', async () => {
    const tenant = await api.tenant();
    const key = { 'idempotency-key': 'import-1' };
    const first = await upload('telefone\n11987654321\n', tenant, key);
    expect(first.body.added).toBe(1);
    expect((await upload('telefone\n11987654321\n', tenant, key)).body).toEqual(first.body);
  });

  test('may arrive twice at once, in any order of its rows', async () => {
    const tenant = await api.tenant();
    const { adminUrl } = api.database;
    const rows = Array.from({ length: 101 }, (_, index) => phone(index));
    await withClient(adminUrl, async (holder) => {
      // Whoever holds the middle row stops both; taken in the order of the files, they would then wait in a circle.
      await holder.query('BEGIN');
      await holder.query('INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2)', [
        tenant.companyId,
        `+55${phone(50)}`,
      ]);
      const imports = [rows, rows.toReversed()].map((order) =>
        upload(['telefone', ...order].join('\n'), tenant),
      );
      await until('both imports wait', async () => {
        const waiting = await query(
          adminUrl,
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length === 2;
      });
      await holder.query('ROLLBACK');
      const answers = await Promise.all(imports);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(answers[0]!.body.added + answers[1]!.body.added).toBe(101);
    });
  });

  test('never reaches another company', async () => {
    const [one, other] = [await api.tenant(), await api.tenant()];
    await upload('telefone\n11987654321\n', one);
    expect((await upload('telefone\n11987654321\n', other)).body.added).toBe(1);
    expect((await one.call('GET', PATH)).body.items).toHaveLength(1);
  });
});

describe('the exported file', () => {
  test('neutralises formulas and can be imported again', async () => {
    const [from, to] = [await api.tenant(), await api.tenant()];
    await block({ phone: '11987654321', reason: '=HYPERLINK("http://x";"y")' }, from);
    await block({ cpfCnpj: CPF, reason: '@bloqueio' }, from);
    const { headers, body } = await from.call(
      'GET',
      `${PATH}/export.csv?format=excel-br`,
      {},
      'AGENT',
    );
    expect(headers.get('content-disposition')).toBe('attachment; filename="blocklist.csv"');
    const lines = body.split('\r\n').map((line: string) => line.replace(/[^;]*$/, ''));
    expect(lines).toEqual([
      '\ufefftelefone;cpf_cnpj;motivo;',
      `;52998224725;'@bloqueio;`,
      `'+5511987654321;;"'=HYPERLINK(""http://x"";""y"")";`,
      '',
    ]);
    expect((await upload(body, to)).body).toMatchObject({ added: 2, invalidCount: 0 });
    expect((await to.call('GET', `${PATH}?phone=11987654321`)).body.items).toHaveLength(1);
  });

  test('holds every entry, over as many pages as it takes', async () => {
    const tenant = await api.tenant();
    await withTenant(api.db, tenant.companyId, (tx) =>
      tx.blocklistEntry.createMany({
        data: Array.from({ length: 4_500 }, (_, index) => ({
          companyId: tenant.companyId,
          phone: `+55${phone(index)}`,
        })),
      }),
    );
    const { body } = await tenant.call('GET', `${PATH}/export.csv`);
    const phones = new Set(body.match(/\+55\d+/g));
    expect(phones.size).toBe(4_500);
  });
});
