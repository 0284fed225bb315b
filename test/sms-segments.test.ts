import { smsSegments } from '../domain/sms-segments';

describe('smsSegments', () => {
  test.each([
    ['', 'gsm7', 0, 0],
    ['a', 'gsm7', 1, 1],
    ['a'.repeat(160), 'gsm7', 160, 1],
    ['a'.repeat(161), 'gsm7', 161, 2],
    ['a'.repeat(306), 'gsm7', 306, 2],
    ['a'.repeat(307), 'gsm7', 307, 3],
    ['Olá', 'ucs2', 3, 1],
    ['ã'.repeat(70), 'ucs2', 70, 1],
    ['ã'.repeat(71), 'ucs2', 71, 2],
    ['ã'.repeat(134), 'ucs2', 134, 2],
    ['ã'.repeat(135), 'ucs2', 135, 3],
  ])('sizes text %#', (text, encoding, units, segments) => {
    expect(smsSegments(text)).toEqual({ encoding, units, segments });
  });

  test('knows which Portuguese letters fit GSM-7', () => {
    for (const letter of 'éàÇÉñü') expect(smsSegments(letter).encoding).toBe('gsm7');
    for (const letter of 'çãõáâêíóôúÀÁÂÃÊÍÓÔÕÚ`’–“') {
      expect(smsSegments(letter).encoding).toBe('ucs2');
    }
  });

  test('counts the characters of the extension table twice', () => {
    for (const char of '€[]{}|\\^~\f') {
      expect(smsSegments(char)).toEqual({ encoding: 'gsm7', units: 2, segments: 1 });
    }
    expect(smsSegments('€'.repeat(80)).segments).toBe(1);
    expect(smsSegments('€'.repeat(81)).segments).toBe(2);
  });

  test('moves an escaped character whole into the next part', () => {
    // 153 + 153 septets would hold 306, but the pair at the border leaves one septet of the first part empty.
    const text = 'a'.repeat(152) + '€' + 'a'.repeat(152);
    expect(smsSegments(text)).toEqual({ encoding: 'gsm7', units: 306, segments: 3 });
    expect(smsSegments('a'.repeat(151) + '€' + 'a'.repeat(153)).segments).toBe(2);
  });

  test('moves a surrogate pair whole into the next part', () => {
    const text = 'ã'.repeat(66) + '😀' + 'ã'.repeat(66);
    expect(smsSegments(text)).toEqual({ encoding: 'ucs2', units: 134, segments: 3 });
    expect(smsSegments('ã'.repeat(65) + '😀' + 'ã'.repeat(67)).segments).toBe(2);
    expect(smsSegments('😀'.repeat(35)).segments).toBe(1);
    expect(smsSegments('😀'.repeat(36)).segments).toBe(2);
  });

  test('takes a lone surrogate for one unit', () => {
    expect(smsSegments('\ud83d')).toEqual({ encoding: 'ucs2', units: 1, segments: 1 });
  });
});
