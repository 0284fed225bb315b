import { gzipSync } from 'node:zlib';
import { query } from './support/database';
import { csvOf, openAudienceDesk, phoneOf, type AudienceDesk } from './support/audiences';
import { ok } from './support/campaigns';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

describe('an uploaded file', () => {
  test('becomes the audience, in its order, with its counts and columns', async () => {
    const id = await desk.draft();
    const empty = await desk.get(id);
    expect(empty.body).toEqual({ state: 'empty', audience: null, upload: null });
    const file = [
      'Nome;Celular;CPF;Valor da Dívida',
      'Ana;(11) 98765-4321;529.982.247-25;R$ 10,00',
      'Bia;11 8765-4322;;"R$ 1\\2\t3\r\n4"',
      'Caio;123;;',
      'Ana de novo;+55 11 98765-4321;;',
      '',
      'Davi;5521987654323;;',
    ].join('\r\n');
    const answer = await desk.put(id, file, { query: '?fileName=lista.csv' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      source: 'csv',
      fileName: 'lista.csv',
      rows: 5,
      bytes: Buffer.byteLength(file),
      recipients: 3,
      corrected: 1,
      duplicates: 1,
      invalid: 1,
      invalidByReason: { wrong_length: 1 },
      columns: { nome: 'Nome', phone: 'Celular', cpfCnpj: 'CPF' },
      variables: ['valor_da_divida'],
      uploadedBy: desk.tenant.agent.id,
    });
    const state = await desk.get(id);
    expect(state.body).toEqual({ state: 'ready', audience: answer.body, upload: null });
    const people = await desk.people(id);
    expect(people.map(({ position, nome, address }) => [position, nome, address])).toEqual([
      [0, 'Ana', '+5511987654321'],
      [1, 'Bia', '+5511987654322'],
      [2, 'Davi', '+5521987654323'],
    ]);
    expect(people[0]).toMatchObject({ cpfCnpj: '52998224725', timeZone: 'America/Sao_Paulo' });
    expect(people[1]!.variables).toEqual({ valor_da_divida: 'R$ 1\\2\t3\n4' });
  });

  test('keeps its rejects with line, column and reason, page by page and as a file', async () => {
    const id = await desk.draft();
    const file = [
      'telefone;cpf;nome',
      '123;;Ana',
      `${phoneOf(1)};111.111.111-11;Bia`,
      `${phoneOf(2)};;Caio`,
      `${phoneOf(2)};;"=cmd|' /C calc'!A0"`,
      '=1+1;;Davi',
    ].join('\n');
    await ok(desk.put(id, file));
    const expected = [
      { line: 2, column: 'telefone', reason: 'wrong_length', value: '123' },
      { line: 3, column: 'cpf', reason: 'invalid_document', value: '111.111.111-11' },
      { line: 5, column: 'telefone', reason: 'duplicate', value: `+55${phoneOf(2)}` },
      { line: 6, column: 'telefone', reason: 'invalid_number', value: '=1+1' },
    ];
    const first = await ok(desk.get(id, '/rejects?limit=3'));
    expect(first.items).toEqual(expected.slice(0, 3));
    const second = await ok(desk.get(id, `/rejects?limit=3&cursor=${first.nextCursor}`));
    expect(second).toEqual({ items: expected.slice(3), nextCursor: null });
    const some = await ok(desk.get(id, '/rejects?reason=duplicate'));
    expect(some.items).toEqual([expected[2]]);
    expect((await desk.get(id, '/rejects?cursor=bm8')).status).toBe(400);
    const csv = await desk.get(id, '/rejects.csv?format=excel-br');
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="recusados.csv"');
    expect(csv.body.split('\r\n').slice(1)).toEqual([
      '2;telefone;wrong_length;123',
      '3;cpf;invalid_document;111.111.111-11',
      `5;telefone;duplicate;'+55${phoneOf(2)}`,
      "6;telefone;invalid_number;'=1+1",
      '',
    ]);
  });

  test.each([
    ['gzip', 'application/gzip'],
    ['a binary file', 'application/octet-stream'],
    ['what a browser calls CSV on Windows', 'application/vnd.ms-excel; charset=utf-8'],
  ])('is taken as %s', async (_, type) => {
    const id = await desk.draft();
    const headers = { 'content-type': type };
    const answer = await desk.put(id, gzipSync(csvOf(20)), { headers });
    expect(answer).toMatchObject({ status: 200, body: { recipients: 20 } });
  });

  test('finds its columns where the caller says', async () => {
    const id = await desk.draft();
    const file = `celular;Tel 2;Quem\n11987654321;11987654399;Ana\n`;
    const mapping = JSON.stringify({ phone: 'Tel 2', nome: 'quem' });
    const byJson = await desk.put(id, file, { query: `?mapping=${encodeURIComponent(mapping)}` });
    expect(byJson.body.columns).toEqual({ phone: 'Tel 2', nome: 'Quem' });
    expect((await desk.people(id))[0]).toMatchObject({ address: '+5511987654399', nome: 'Ana' });
    await ok(desk.put(id, file, { query: '?map[nome]=Quem' }));
    expect((await desk.people(id))[0]).toMatchObject({ address: '+5511987654321', nome: 'Ana' });
  });

  test.each([
    ['a column that is not there', '?map[phone]=fax', 400, '/query/map[phone]'],
    ['a field that is none', '?mapping=%7B%22fax%22%3A%22x%22%7D', 400, '/query/mapping'],
    ['a column of mapping that is not there', '?mapping={"phone":"zzz"}', 400, '/query/mapping'],
    ['a column of mapping that is no text', '?mapping={"phone":1}', 400, '/query/mapping'],
    [
      'a column that is not there beside mapping',
      '?mapping={"nome":"nome"}&map[phone]=zzz',
      400,
      '/query/map[phone]',
    ],
    [
      'an unknown field beside good ones',
      '?map[phone]=telefone&map[foo]=x',
      400,
      '/query/map[foo]',
    ],
    ['a mapping that is no JSON', '?mapping=phone', 400, '/query/mapping'],
    ['a name with control characters', '?fileName=a%00b', 400, '/query/fileName'],
  ])('is refused with %s', async (_, search, status, pointer) => {
    const id = await desk.draft();
    const refused = await desk.put(id, csvOf(1), { query: search });
    expect(refused.status).toBe(status);
    expect(refused.body.errors[0].pointer).toBe(pointer);
  });

  test.each([
    ['an image', 'image/png', csvOf(1), 415, /./],
    ['no type', '', csvOf(1), 415, /./],
    ['a workbook', 'text/csv', 'PK\u0003\u0004xxxxxxxx', 415, /Excel/],
    ['nothing', 'text/csv', '', 400, /empty/],
    ['no address', 'text/csv', 'nome;cpf\nAna;\n', 400, /"nome", "cpf"/],
    ['no rows', 'text/csv', 'telefone\n', 400, /no rows/],
  ])('is refused when it is %s', async (_, type, file, status, detail) => {
    const id = await desk.draft();
    const refused = await desk.put(id, file, { headers: { 'content-type': type } });
    expect(refused.status).toBe(status);
    expect(refused.body.detail).toMatch(detail);
    expect((await desk.get(id)).body).toMatchObject({ state: 'empty', upload: null });
  });

  test('may hold NUL bytes and broken text anywhere', async () => {
    const id = await desk.draft();
    const file = Buffer.concat([
      Buffer.from('telefone;no\u0000me;val\u0000or\n'),
      Buffer.from(`${phoneOf(1)};A\u0000na;x\u0000y\n`),
      Buffer.from(`12\u00003;B\u0000ia;\n`),
      Buffer.from([0x31, 0xff, 0x0a]),
      Buffer.from(csvOf(20, 10).replace(/^.*\n/, '')),
    ]);
    const answer = await desk.put(id, file);
    expect(answer).toMatchObject({ status: 200, body: { recipients: 21, invalid: 2 } });
    expect((await desk.get(id, '/rejects')).body.items).toHaveLength(2);
  });

  test('without one good row is refused with its rows, and leaves the audience that there is', async () => {
    const id = await desk.draft();
    const { body: before } = await desk.put(id, csvOf(2));
    const refused = await desk.put(id, 'telefone;cpf\n1;\n2;\n11987654321;111.111.111-11\n');
    expect(refused).toMatchObject({
      status: 400,
      body: {
        code: 'VALIDATION',
        invalid: 3,
        invalidByReason: { wrong_length: 2, invalid_document: 1 },
        columns: { phone: 'telefone', cpfCnpj: 'cpf' },
        rejects: [
          { line: 2, column: 'telefone', reason: 'wrong_length' },
          { line: 3, column: 'telefone', reason: 'wrong_length' },
          { line: 4, column: 'cpf', reason: 'invalid_document' },
        ],
      },
    });
    const wrongMap = await desk.put(id, csvOf(3), { query: '?map[phone]=nome' });
    expect(wrongMap).toMatchObject({ status: 400, body: { invalidByReason: { letters: 3 } } });
    expect((await desk.get(id)).body).toEqual({ state: 'ready', audience: before, upload: null });
  });

  test('is told which fields there are when it names another', async () => {
    const id = await desk.draft();
    const byName = await desk.put(id, csvOf(1), { query: '?map[foo]=x' });
    expect(byName.body.errors[0].detail).toMatch(/map\[phone\], map\[email\], map\[nome\]/);
    const byJson = await desk.put(id, csvOf(1), { query: '?mapping={"foo":"x"}' });
    expect(byJson.body.errors[0].detail).toMatch(/phone, email, nome, cpfCnpj/);
  });
});

describe('who may', () => {
  test('another company’s campaign has no audience', async () => {
    const id = await desk.draft();
    const { director } = desk.api.second;
    expect((await desk.put(id, csvOf(1), { as: director })).status).toBe(404);
    for (const path of ['/audience', '/audience/summary', '/audience/rejects', '/preview']) {
      const answer = await desk.api.request('GET', `/v1/campaigns/${id}${path}`, { as: director });
      expect(answer.status).toBe(404);
    }
    const csv = await desk.api.request('GET', `/v1/campaigns/${id}/audience/rejects.csv`, {
      as: director,
    });
    expect(csv.status).toBe(404);
  });

  test('an agent does not see another agent’s, a key needs the scope', async () => {
    const id = await desk.draft();
    const other = await desk.api.person(desk.tenant.companyId, 'AGENT');
    expect((await desk.put(id, csvOf(1), { as: other })).status).toBe(404);
    const reader = await desk.api.key(desk.tenant.director, ['campaigns:read']);
    expect((await desk.put(id, csvOf(1), { as: reader })).status).toBe(403);
    expect((await desk.put(id, csvOf(1), { as: { token: 'rgs_'.padEnd(47, 'x') } })).status).toBe(
      401,
    );
    const writer = await desk.api.key(desk.tenant.director, ['campaigns:write']);
    expect((await desk.put(id, csvOf(1), { as: writer })).status).toBe(200);
  });

  test('whoever uploads is an editor, and the audit says what', async () => {
    const id = await desk.draft();
    await ok(desk.put(id, csvOf(3)));
    const { director, companyId } = desk.tenant;
    await ok(desk.put(id, csvOf(2), { as: director }));
    const [campaign] = await query<{ editors: string[] }>(
      desk.api.database.adminUrl,
      'SELECT editors FROM campaigns WHERE id = $1',
      [id],
    );
    expect(campaign!.editors).toEqual(expect.arrayContaining([desk.tenant.agent.id, director.id]));
    const lines = await query<{ changes: unknown; actor_id: string }>(
      desk.api.database.adminUrl,
      `SELECT changes, actor_id FROM audit_logs WHERE company_id = $1 AND entity_id = $2 AND action = 'campaign.upload_audience'
         ORDER BY id DESC`,
      [companyId, id],
    );
    expect(lines).toMatchObject([
      { actor_id: director.id, changes: { before: { recipients: 3 }, after: { recipients: 2 } } },
      { actor_id: desk.tenant.agent.id, changes: { before: null, after: { recipients: 3 } } },
    ]);
  });

  test.each([
    ['PENDING_APPROVAL', /Editing it makes it a draft/],
    ['APPROVED', /Editing it makes it a draft/],
    ['PROCESSING', /Clone it/],
    ['FINISHED', /Clone it/],
  ])('nobody uploads to a campaign that is %s', async (state, detail) => {
    const id = await desk.draft();
    await query(desk.api.database.adminUrl, 'UPDATE campaigns SET state = $2 WHERE id = $1', [
      id,
      state,
    ]);
    const refused = await desk.put(id, csvOf(1));
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', state, allowedFrom: ['DRAFT'] },
    });
    expect(refused.body.detail).toMatch(detail);
  });
});
