import { resolveColumns, type ColumnMapping } from '../domain/audience-columns';
import { readRow, recipientLookup, shownValue } from '../domain/audience-rows';
import type { Channel } from '../domain/channels';

const resolve = (headers: string[], channel: Channel = 'sms', mapping?: ColumnMapping) =>
  resolveColumns(headers, mapping ? { channel, mapping } : { channel });
const read = (
  headers: string[],
  cells: string[],
  channel: Channel = 'sms',
  mapping?: ColumnMapping,
) =>
  readRow(cells, 7, resolve(headers, channel, mapping), {
    channel,
    defaultCountry: 'BR',
    companyTimeZone: 'America/Bahia',
  });
const taken = (...args: Parameters<typeof read>) => {
  const result = read(...args);
  if (!result.ok) throw new Error(`refused: ${result.reject.reason}`);
  return result;
};
test('every character is kept, taken out or made a space as its Unicode class says', () => {
  for (let code = 0; code <= 0xffff; code++) {
    const char = String.fromCharCode(code);
    const cell = `a${char}b`;
    const kept = /[\t\n\r]/.test(char) || !/\p{Cc}|\p{Surrogate}|[\ufffe\uffff]/u.test(char);
    const stored = kept ? cell.replace('\r', '\n') : 'ab';
    const { recipient, corrected } = taken(['tel', 'nome', 'valor'], ['11987654321', cell, cell]);
    if (recipient.variables['valor'] !== stored)
      throw new Error(`U+${code.toString(16)} became ${JSON.stringify(recipient.variables)}`);
    if (recipient.nome !== stored.replace(/\s+/g, ' '))
      throw new Error(`U+${code.toString(16)} became ${JSON.stringify(recipient.nome)}`);
    if (corrected.includes('control_characters') === kept)
      throw new Error(`U+${code.toString(16)}: ${corrected.join()}`);
  }
  const { recipient } = taken(['tel', 'nome'], ['11987654321', 'Ana  da\n\u00a0Silva e  Sá']);
  expect(recipient.nome).toBe('Ana da Silva e Sá');
});

describe('area code in a column of its own', () => {
  test.each([
    ['11', '98765-4321'],
    ['(011)', '987654321'],
    ['11.0', '987654321.0'],
    ['', '11987654321'],
    ['21', '11987654321'],
  ])('joins %j and %j', (ddd, phone) => {
    expect(taken(['DDD', 'telefone'], [ddd, phone]).recipient.address).toBe('+5511987654321');
  });

  test('reads ddd_celular beside celular as area code, alone as the phone', () => {
    expect(taken(['ddd_celular', 'celular'], ['11', '87654321']).recipient.address).toBe(
      '+5511987654321',
    );
    expect(taken(['ddd_celular'], ['1187654321']).recipient.address).toBe('+5511987654321');
  });

  test('does not guess when both are without', () => {
    expect(read(['DDD', 'telefone'], ['', '98765-4321'])).toMatchObject({
      ok: false,
      reject: { reason: 'missing_area_code' },
    });
  });
});

describe('rows', () => {
  const headers = [
    'celular',
    'nome',
    'cpf_cnpj',
    'contrato',
    'email',
    'mensagem',
    'Valor da Dívida',
  ];

  test('becomes a recipient with every field in its place', () => {
    const cells = [
      '(92) 8765-4321',
      '  Ana\tda   Silva ',
      '529.982.247-25',
      'C-1',
      'ANA@Exemplo.com',
      'Oi,\r\nAna',
      'R$ 10,00',
    ];
    expect(read(headers, cells)).toEqual({
      ok: true,
      corrected: ['phone'],
      recipient: {
        channel: 'sms',
        address: '+5592987654321',
        phone: '+5592987654321',
        email: 'ana@exemplo.com',
        nome: 'Ana da Silva',
        cpfCnpj: '52998224725',
        idcobContrato: 'C-1',
        customMessage: 'Oi,\nAna',
        variables: { valor_da_divida: 'R$ 10,00' },
        timeZone: 'America/Manaus',
      },
    });
  });

  test('leaves blank cells and the NULL of a database out', () => {
    const { recipient } = taken(headers, [
      '11987654321',
      ' ',
      'NULL',
      '',
      '#N/D',
      '\u00a0',
      'null',
    ]);
    expect(recipient).toMatchObject({
      nome: null,
      cpfCnpj: null,
      idcobContrato: null,
      email: null,
    });
    expect(recipient).toMatchObject({ customMessage: null, variables: {} });
  });

  test.each([
    [['', 'Ana'], 'missing_address', 'celular', null],
    [['NULL', 'Ana'], 'missing_address', 'celular', 'NULL'],
    [['-', 'Ana'], 'missing_address', 'celular', '-'],
    [['5,51199E+12', 'Ana'], 'spreadsheet_damaged', 'celular', '5,51199E+12'],
    [['1133334444', 'Ana'], 'landline', 'celular', '1133334444'],
    [['11987654321', 'Ana', '529.982.247-26'], 'invalid_document', 'cpf_cnpj', '529.982.247-26'],
    [['11987654321', 'Ana', '5,3E+10'], 'spreadsheet_damaged', 'cpf_cnpj', '5,3E+10'],
    [['11987654321', 'a'.repeat(201)], 'too_long', 'nome', `${'a'.repeat(79)}…`],
    [
      ['11987654321', 'Ana', '', '', '', 'm'.repeat(5001)],
      'too_long',
      'mensagem',
      `${'m'.repeat(79)}…`,
    ],
    [
      ['11987654321', 'Ana', '', '', '', '', 'v'.repeat(1001)],
      'too_long',
      'Valor da Dívida',
      `${'v'.repeat(79)}…`,
    ],
  ])('%j: %s', (cells, reason, column, value) => {
    expect(read(headers, cells)).toEqual({ ok: false, reject: { line: 7, column, reason, value } });
  });

  test('takes the cnpj column where the cpf column is blank', () => {
    const both = ['celular', 'cpf', 'cnpj'];
    expect(taken(both, ['11987654321', '', '11222333000181']).recipient.cpfCnpj).toBe(
      '11222333000181',
    );
    expect(taken(both, ['11987654321', '52998224725', '11222333000181']).recipient.cpfCnpj).toBe(
      '52998224725',
    );
    expect(read(both, ['11987654321', '', '123'])).toMatchObject({ reject: { column: 'cnpj' } });
  });

  test('takes control characters, U+0000 and lone surrogates away, and says so', () => {
    const { recipient, corrected } = taken(headers, [
      '11987654321',
      'A\u0000n\u0007a\u0085',
      '',
      '',
      '',
      'x\ud800y\tz\n',
    ]);
    expect(recipient.nome).toBe('Ana');
    expect(recipient.customMessage).toBe('xy\tz');
    expect(corrected).toEqual(['control_characters']);
  });

  test('ignores a bad e-mail where the phone is the address, and a bad phone where the e-mail is', () => {
    expect(taken(headers, ['11987654321', 'Ana', '', '', 'ana@']).corrected).toEqual([
      'email_ignored',
    ]);
    const byEmail = taken(headers, ['sem', 'Ana', '', '', 'ana@exemplo.com'], 'email');
    expect(byEmail.corrected).toEqual(['phone_ignored']);
    expect(byEmail.recipient).toMatchObject({
      address: 'ana@exemplo.com',
      phone: null,
      timeZone: 'America/Bahia',
    });
  });

  test.each([
    'ana',
    'ana@exemplo',
    '@exemplo.com',
    'a na@exemplo.com',
    'ana@exemplo..com',
    'ana@-x.com',
    'a@b.com;c@d.com',
    `${'a'.repeat(65)}@b.com`,
  ])('refuses the e-mail %j as an address', (email) => {
    expect(read(headers, ['', '', '', '', email], 'email')).toMatchObject({
      reject: { reason: 'invalid_email' },
    });
  });

  test('takes a landline for WhatsApp', () => {
    expect(taken(headers, ['1133334444'], 'whatsapp').recipient.address).toBe('+551133334444');
  });
});

describe('values for templates', () => {
  const { recipient } = taken(
    ['celular', 'cliente', 'cpf', 'contrato', 'constructor'],
    ['11987654321', 'Ana Maria da Silva', '52998224725', 'C-1', ''],
  );
  const lookup = recipientLookup(recipient);

  test.each([
    ['cliente', 'Ana Maria da Silva'],
    ['nome', 'Ana Maria da Silva'],
    ['primeiro_nome', 'Ana'],
    ['cpf_cnpj', '52998224725'],
    ['idcob_contrato', 'C-1'],
    ['telefone', '+5511987654321'],
  ])('finds %s', (name, value) => {
    expect(lookup(name)).toBe(value);
  });

  test('has nothing for what is absent or merely a member of every object', () => {
    expect(lookup('vencimento')).toBeUndefined();
    expect(lookup('constructor')).toBeUndefined();
    expect(lookup('email')).toBeNull();
  });

  test('prefers a column of the file to a field of the same name', () => {
    const file = taken(['celular', 'telefone'], ['11987654321', '3333-4444']);
    expect(recipientLookup(file.recipient)('telefone')).toBe('3333-4444');
  });
});

test('shows an offending value on one short line', () => {
  expect(shownValue('a\u0000b\r\n  c')).toBe('a b c');
  expect(shownValue(' \n ')).toBeNull();
  expect(shownValue('x'.repeat(100_000))).toHaveLength(80);
});
