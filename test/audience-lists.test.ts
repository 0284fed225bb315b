import { openAudienceDesk, type AudienceDesk } from './support/audiences';
import { ok } from './support/campaigns';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

describe('a list', () => {
  const asJson = { headers: { 'content-type': 'application/json' } };

  test('is read like a file with a column per key', async () => {
    const id = await desk.draft();
    const items = [
      { telefone: '11987654321', nome: 'Ána', valor: 10.5 },
      { nome: 'Bia', telefone: 5511987654322, ativo: true, valor: null },
      { nome: 'Caio' },
      { telefone: '11 98765 4321' },
    ];
    const list = JSON.stringify({ items });
    const answer = await desk.put(id, list, asJson);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        source: 'list',
        bytes: Buffer.byteLength(list),
        rows: 4,
        recipients: 2,
        duplicates: 1,
        invalid: 1,
      },
    });
    expect((await desk.people(id)).map(({ variables }) => variables)).toEqual([
      { valor: '10.5' },
      { ativo: 'true' },
    ]);
    const rejects = await ok(desk.get(id, '/rejects'));
    expect(
      rejects.items.map(({ line, reason }: Record<string, unknown>) => [line, reason]),
    ).toEqual([
      [3, 'missing_address'],
      [4, 'duplicate'],
    ]);
  });

  test('may hold variables apart, as a test send does', async () => {
    const id = await desk.draft({ baseMessage: '{{valor_da_divida}} até {{vencimento}}' });
    const items = [
      { telefone: '11987654321', variables: { 'Valor da Dívida': 'R$ 10', nome: 'apelido' } },
      { telefone: '11987654322', nome: 'Bia', variables: { vencimento: 5 }, vencimento: 'ontem' },
    ];
    await ok(desk.put(id, JSON.stringify({ items }), asJson));
    expect(await desk.people(id)).toMatchObject([
      { nome: null, variables: { valor_da_divida: 'R$ 10', nome: 'apelido' } },
      { nome: 'Bia', variables: { vencimento: '5' } },
    ]);
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`v${i}`, 'x']));
    const wide = { items: [{ telefone: '11987654321', variables: many }] };
    expect((await desk.put(id, JSON.stringify(wide), asJson)).status).toBe(400);
  });

  test('refuses a person whose own message has a broken placeholder', async () => {
    const id = await desk.draft();
    const items = [
      { telefone: '11987654321', mensagem: 'Oi {{nome}' },
      { telefone: '11987654322', mensagem: 'Oi {nome}' },
    ];
    const answer = await desk.put(id, JSON.stringify({ items }), asJson);
    expect(answer.body).toMatchObject({
      recipients: 1,
      invalidByReason: { broken_placeholder: 1 },
    });
    expect((await desk.get(id, '/rejects')).body.items).toEqual([
      { line: 1, column: 'mensagem', reason: 'broken_placeholder', value: 'Oi {{nome}' },
    ]);
  });

  test.each([
    ['of nobody', { items: [] }, 400],
    ['with variables in variables', { items: [{ telefone: '1', variables: { a: {} } }] }, 400],
    ['of what is no person', { items: ['11987654321'] }, 400],
    ['with a nested value', { items: [{ telefone: { ddd: 11 } }] }, 400],
    ['without items', {}, 400],
    ['of too many', { items: Array.from({ length: 10_001 }, () => ({ telefone: '1' })) }, 400],
    ['without an address', { items: [{ nome: 'Ana' }] }, 400],
  ])('%s is refused', async (_, body, status) => {
    const id = await desk.draft();
    expect((await desk.put(id, JSON.stringify(body), asJson)).status).toBe(status);
    expect((await desk.get(id)).body.state).toBe('empty');
  });

  test('that is not UTF-8, no JSON, or larger than a list can be is refused', async () => {
    const id = await desk.draft();
    const broken = Buffer.from(
      '{"items":[{"telefone":"11987654321","nome":"Jo\u00e3o"}]}',
      'latin1',
    );
    expect((await desk.put(id, broken, asJson)).status).toBe(400);
    expect((await desk.put(id, '{"items":', asJson)).status).toBe(400);
    const large = JSON.stringify({ items: [{ telefone: '1'.repeat(17_000_000) }] });
    expect((await desk.put(id, large, asJson)).status).toBe(413);
  });
});
