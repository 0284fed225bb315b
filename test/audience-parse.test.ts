import { gzipSync } from 'node:zlib';
import { parse as parseCsv } from 'csv-parse/sync';
import { readCells } from '../api/audience/cells';
import { crumbs, load, names, phone, SMALL } from './support/audience-csv';

describe('what is detected', () => {
  test.each([[';'], [','], ['\t'], ['|']])('the delimiter %j', async (delimiter) => {
    const { rows, file } = await load(`nome${delimiter}telefone\nAna${delimiter}11987654321\n`);
    expect(file.delimiter).toBe(delimiter);
    expect(rows[0]!.recipient).toMatchObject({ nome: 'Ana', address: '+5511987654321' });
  });

  test('the delimiter by the columns that it makes known, not by how often it occurs', async () => {
    const { rows } = await load('obs, a, b, c, d;telefone;nome\nx, y;11987654321;Ana\n');
    expect(rows[0]!.recipient).toMatchObject({ nome: 'Ana', variables: { obs_a_b_c_d: 'x, y' } });
  });

  test('a file with one column', async () => {
    const { rows } = await load('telefone\n11987654321\n\n(11) 98765-4322\n');
    expect(rows.map(({ line }) => line)).toEqual([2, 4]);
  });

  test('the line with which Excel names the delimiter', async () => {
    const { rows, file } = await load('sep=,\r\ntelefone,nome\r\n11987654321,"Silva; Ana"\r\n');
    expect(file.delimiter).toBe(',');
    expect(rows[0]).toMatchObject({ line: 3, recipient: { nome: 'Silva; Ana' } });
  });

  test.each([
    ['UTF-8', Buffer.from(SMALL)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${SMALL}`)],
    ['Windows-1252', Buffer.from(SMALL.replace('’', '\u0092'), 'latin1')],
    ['UTF-16 LE', Buffer.from(`\ufeff${SMALL}`, 'utf16le')],
    ['UTF-16 BE', Buffer.from(`\ufeff${SMALL}`, 'utf16le').swap16()],
    ['UTF-16 LE without a mark', Buffer.from(SMALL, 'utf16le')],
    ['CRLF', Buffer.from(SMALL.replaceAll('\n', '\r\n'))],
    ['old Mac line breaks', Buffer.from(SMALL.replaceAll('\n', '\r'))],
    ['no last line break', Buffer.from(SMALL.trimEnd())],
    ['gzip', gzipSync(SMALL)],
    [
      'gzip in several members',
      Buffer.concat([gzipSync(SMALL.slice(0, 30)), gzipSync(SMALL.slice(30))]),
    ],
  ])('%s, however the bytes arrive', async (_what, bytes) => {
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const { rows, rejects } = await load(crumbs(bytes, size));
      expect(names(rows)).toEqual(['João', 'Zoë "Zô" D’Ávila']);
      expect(rows.map(({ line }) => line)).toEqual([2, 3]);
      expect(rejects).toEqual([]);
    }
  });

  test('an encoding that shows only after the first megabyte', async () => {
    const ascii = Array.from({ length: 60_000 }, (_, i) => `${phone(i)};Ana da Silva\n`).join('');
    expect(ascii.length).toBeGreaterThan(1_300_000);
    for (const encoding of ['utf8', 'latin1'] as const) {
      const tail = Buffer.from(`${phone(70_000)};João\n${phone(70_001)};Conceição\n`, encoding);
      const { rows, file } = await load([Buffer.from(`telefone;nome\n${ascii}`), tail]);
      expect(names(rows.slice(-2))).toEqual(['João', 'Conceição']);
      expect(file.encoding).toBe(encoding === 'utf8' ? 'utf8' : 'windows1252');
    }
  });

  test('a damaged character in a UTF-8 file, which costs one row', async () => {
    const { rows, rejects } = await load([
      Buffer.from(SMALL),
      Buffer.from([
        ...Buffer.from('11987654323;Jo'),
        0xe3,
        ...Buffer.from('o\n11987654324;Inês\n'),
      ]),
    ]);
    expect(names(rows)).toEqual(['João', 'Zoë "Zô" D’Ávila', 'Inês']);
    expect(rejects).toEqual([
      { line: 4, column: 'nome', reason: 'invalid_encoding', value: 'Jo\ufffdo' },
    ]);
  });

  test('rows of both encodings in one Windows-1252 file', async () => {
    const { rows } = await load([
      Buffer.from('telefone;nome\n11987654321;Jo\u00e3o\n11987654322;In\u00eas\n', 'latin1'),
      Buffer.from('11987654323;Conceição\n'),
    ]);
    expect(names(rows)).toEqual(['João', 'Inês', 'Conceição']);
  });
});

describe('quotes', () => {
  test('hold delimiters, doubled quotes and line breaks, and lines are those of the file', async () => {
    const { rows, rejects } = await load(
      'telefone;nome;mensagem\r\n' +
        '11987654321;"Silva; Ana";"Oi ""Ana"",\r\n\r\ntudo bem?"\r\n' +
        '"11987654322" ; "Bia" ;Tela 12" LED\r\n' +
        '123;Caio;\r\n',
    );
    expect(rows.map(({ line }) => line)).toEqual([2, 5]);
    expect(rows[0]!.recipient).toMatchObject({
      nome: 'Silva; Ana',
      customMessage: 'Oi "Ana",\n\ntudo bem?',
    });
    expect(rows[1]!.recipient).toMatchObject({ nome: 'Bia', customMessage: 'Tela 12" LED' });
    expect(rejects).toMatchObject([{ line: 6, reason: 'wrong_length' }]);
  });

  test('may hold line breaks in the header', async () => {
    const { rows } = await load('"telefone";"valor\nda dívida"\n11987654321;10\n');
    expect(rows[0]).toMatchObject({ line: 3, recipient: { variables: { valor_da_divida: '10' } } });
  });

  test.each([
    [
      'before the end of the file',
      'telefone;nome\n11987654321;Ana\n11987654322;"Bar do Zé\n11987654323;Caio\n',
      3,
    ],
    [
      'before another quoted row',
      'telefone;nome\n11987654321;Ana\n11987654322;"Bar\n11987654323;Caio\n11987654324;"Davi"\n',
      3,
    ],
    [
      'before a row that closes it by chance',
      'telefone;nome\n11987654321;Ana\n11987654322;"Bar\n11987654323;Caio";x\n11987654324;Davi\n',
      3,
    ],
    [
      'with text behind the closing quote',
      'telefone;nome\n11987654321;Ana\n11987654322;"Bar" do Zé\n11987654323;Caio\n',
      3,
    ],
  ])('that are not closed cost one row: %s', async (_where, file, line) => {
    const { rows, rejects } = await load(crumbs(Buffer.from(file), 5));
    expect(rejects[0]).toMatchObject({ line, reason: 'invalid_quotes' });
    expect(names(rows)).toContain('Ana');
    expect(rows.length + rejects.length).toBe(file.trim().split('\n').length - 1);
  });

  test('that are not closed do not swallow a long file', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) =>
      i % 5_000 === 100 ? `${phone(i)};"Bar do Zé ${i}` : `${phone(i)};Ana ${i}`,
    );
    const { rows, rejects } = await load(`telefone;nome\n${lines.join('\n')}`);
    expect(rejects.map(({ line }) => line)).toEqual(
      Array.from({ length: 10 }, (_, i) => i * 5_000 + 102),
    );
    expect(new Set(rejects.map(({ reason }) => reason))).toEqual(new Set(['invalid_quotes']));
    expect(rows).toHaveLength(49_990);
  });

  test('mean the same as to the CSV parser in any well-formed file', async () => {
    let state = 5;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 100; round++) {
      const cell = () =>
        Array.from(
          { length: random(6) },
          () => ['a', '"', ';', '\n', 'é', ' x', '\r\n'][random(7)],
        ).join('');
      const quoted = (text: string) =>
        /[";\r\n]/.test(text) || random(2) === 0 ? `"${text.replaceAll('"', '""')}"` : text;
      const texts = Array.from({ length: 30 }, cell);
      const file = `telefone;v\n${texts.map((text, i) => `${phone(i)};${quoted(text)}`).join('\n')}\n`;
      const expected: string[][] = parseCsv(file, {
        delimiter: ';',
        from_line: 2,
        record_delimiter: '\n',
      });
      const { rows, rejects } = await load(crumbs(Buffer.from(file), 1 + random(40)));
      expect(rejects).toEqual([]);
      expect(rows.map(({ recipient }) => recipient.variables['v'] ?? '')).toEqual(
        expected.map(([, text]) => text!.trim().replaceAll('\r\n', '\n')),
      );
    }
  });
});

describe('records without a quote', () => {
  test.each(['utf8', 'latin1'] as const)(
    'are cut as the CSV parser cuts them, whatever is in them (%s)',
    (encoding) => {
      let seed = 11;
      const random = (below: number) =>
        (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
      const pieces = [
        ';',
        ';',
        '\n',
        '\r\n',
        '\r',
        ' ',
        '\t',
        ',',
        "'",
        '\\',
        '#',
        'ã',
        'Zoë',
        '1',
        'x',
      ];
      for (let round = 0; round < 500; round++) {
        const text = Array.from({ length: 1 + random(60) }, () => pieces[random(pieces.length)]);
        const bytes = Buffer.from(text.join(''), encoding);
        const expected: string[][] = parseCsv(bytes, {
          delimiter: ';',
          encoding,
          quote: null,
          record_delimiter: ['\r\n', '\n'],
          relax_column_count: true,
        });
        const run = {
          kind: 'run',
          bytes,
          quoted: false,
          lines: expected.map((_, i) => i),
        } as const;
        const { records } = readCells(run, { delimiter: ';', newline: '\n' }, 'windows1252');
        expect(records).toEqual(expected.map((cells) => ({ ok: true, cells })));
      }
    },
  );
});

describe('bad rows', () => {
  test('have line, column and reason, and do not stop the file', async () => {
    const { rows, rejects, progress } = await load(
      [
        'telefone;nome;cpf',
        '11987654321;Ana;529.982.247-25',
        '5,51199E+12;Bia;',
        ';;',
        '',
        '1133334444;Caio;',
        '11987654322;Davi;111.111.111-11',
        '11987654323;Eva',
        '11987654324;Fábio;;a mais',
        '11987654325;Gil;;;',
        ';Hugo;',
        '1187654326;Iara;',
      ].join('\n'),
    );
    expect(names(rows)).toEqual(['Ana', 'Gil', 'Iara']);
    expect(rejects).toEqual([
      { line: 3, column: 'telefone', reason: 'spreadsheet_damaged', value: '5,51199E+12' },
      { line: 6, column: 'telefone', reason: 'landline', value: '1133334444' },
      { line: 7, column: 'cpf', reason: 'invalid_document', value: '111.111.111-11' },
      { line: 8, column: null, reason: 'column_count', value: '11987654323;Eva' },
      { line: 9, column: null, reason: 'column_count', value: '11987654324;Fábio;;a mais' },
      { line: 11, column: 'telefone', reason: 'missing_address', value: null },
    ]);
    expect(progress).toMatchObject({ rows: 9, valid: 3, invalid: 6, corrected: 1, blank: 2 });
  });

  test('may be longer than any record', async () => {
    const long = `11987654322;${'x'.repeat(300_000)}`;
    const quoted = `11987654323;"${'y\n'.repeat(100_000)}"`;
    const file = `telefone;nome\n11987654321;Ana\n${long}\n11987654324;Bia\n`;
    const { rows, rejects } = await load(crumbs(Buffer.from(file), 10_000));
    expect(names(rows)).toEqual(['Ana', 'Bia']);
    expect(rejects).toMatchObject([{ line: 3, reason: 'row_too_large' }]);
    expect(rows[1]!.line).toBe(4);
    const second = await load(`telefone;nome\n${quoted}\n11987654324;Bia\n`);
    expect(second.rejects[0]).toMatchObject({ line: 2, reason: 'invalid_quotes' });
    expect(second.rows).toMatchObject([{ line: 100_003, recipient: { nome: 'Bia' } }]);
  });

  test('may miss trailing columns that have no name', async () => {
    const { rows } = await load('telefone;nome;;\n11987654321;Ana\n11987654322;Bia;;\n');
    expect(names(rows)).toEqual(['Ana', 'Bia']);
  });

  test('keep U+0000 out of what is taken', async () => {
    const { rows } = await load('telefone;nome\n11987654321;A\u0000na\n');
    expect(rows[0]).toMatchObject({
      recipient: { nome: 'Ana' },
      corrected: ['control_characters'],
    });
  });
});
