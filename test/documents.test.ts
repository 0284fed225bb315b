import { parseDocument } from '../domain/documents';

const cpf = (value: string, corrected = false) => ({ ok: true, kind: 'cpf', value, corrected });
const cnpj = (value: string, corrected = false) => ({ ok: true, kind: 'cnpj', value, corrected });

describe('cpf', () => {
  test.each([
    '52998224725',
    '529.982.247-25',
    ' 529.982.247-25 ',
    '529 982 247 25',
    '５２９９８２２４７２５',
  ])('reads %j', (raw) => {
    expect(parseDocument(raw)).toEqual(cpf('52998224725'));
  });

  test('puts back up to three zeros that a spreadsheet took', () => {
    expect(parseDocument('01234567890')).toEqual(cpf('01234567890'));
    expect(parseDocument('1234567890')).toEqual(cpf('01234567890', true));
    expect(parseDocument('1234567890.0')).toEqual(cpf('01234567890', true));
    expect(parseDocument('191')).toEqual({ ok: false, reason: 'invalid_document' });
  });

  test('repairs a leading apostrophe and a formula text', () => {
    expect(parseDocument("'52998224725")).toEqual(cpf('52998224725', true));
    expect(parseDocument('="52998224725"')).toEqual(cpf('52998224725', true));
  });

  test('refuses one wrong digit at any place', () => {
    for (let at = 0; at < 11; at++) {
      const digit = (Number('52998224725'[at]) + 1) % 10;
      const wrong = `${'52998224725'.slice(0, at)}${digit}${'52998224725'.slice(at + 1)}`;
      expect(parseDocument(wrong)).toEqual({ ok: false, reason: 'invalid_document' });
    }
  });

  test('refuses equal digits, whose check digits are right', () => {
    for (let digit = 0; digit < 10; digit++) {
      expect(parseDocument(String(digit).repeat(11)).ok).toBe(false);
      expect(parseDocument(String(digit).repeat(14)).ok).toBe(false);
    }
  });
});

describe('cnpj', () => {
  test.each(['11222333000181', '11.222.333/0001-81'])('reads %j', (raw) => {
    expect(parseDocument(raw)).toEqual(cnpj('11222333000181'));
  });

  test('reads the alphanumeric form in any case', () => {
    expect(parseDocument('12.ABC.345/01DE-35')).toEqual(cnpj('12ABC34501DE35'));
    expect(parseDocument('12abc34501de35')).toEqual(cnpj('12ABC34501DE35'));
    expect(parseDocument('12.ABC.345/01DE-36').ok).toBe(false);
    expect(parseDocument('12.ABD.345/01DE-35').ok).toBe(false);
  });

  test('puts back the zeros in front', () => {
    expect(parseDocument('00000000000191')).toEqual(cnpj('00000000000191'));
    expect(parseDocument('6990590000123')).toEqual(cnpj('06990590000123', true));
  });

  test('has digits, not letters, at the end', () => {
    expect(parseDocument('12ABC34501DEAB').ok).toBe(false);
  });
});

describe('what is no document', () => {
  test.each([
    ['', 'empty'],
    [' - ', 'empty'],
    ['5,29982E+10', 'spreadsheet_damaged'],
    ['5.29982e10', 'spreadsheet_damaged'],
    ['#N/D', 'spreadsheet_damaged'],
    ['não informado', 'invalid_document'],
    ['529982247', 'invalid_document'],
    ['529982247255', 'invalid_document'],
    ['1234567', 'invalid_document'],
    ['112223330001811', 'invalid_document'],
  ])('%j: %s', (raw, reason) => {
    expect(parseDocument(raw)).toEqual({ ok: false, reason });
  });
});
