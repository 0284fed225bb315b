import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { parseAnyPhone, parsePhone } from '../domain/phones';
import { timeZoneOfPhone } from '../domain/time-zones';

const sms = { defaultCountry: 'BR', requireMobile: true } as const;
const whatsapp = { defaultCountry: 'BR', requireMobile: false } as const;
const MOBILE = { ok: true, e164: '+5511987654321', corrected: false, type: 'mobile' };

describe('spellings of one Brazilian mobile', () => {
  test.each([
    '11987654321',
    '(11) 98765-4321',
    '(11)98765.4321',
    '11 9 8765 4321',
    '11-98765-4321',
    '[11] 98765–4321',
    '011987654321',
    '(011) 98765-4321',
    '0 11 98765-4321',
    '01511987654321',
    '0 15 11 98765-4321',
    '0 15 (11) 98765-4321',
    '0xx11 98765-4321',
    '(0XX11) 98765-4321',
    '5511987654321',
    '55 (11) 98765-4321',
    '55 011 98765-4321',
    '+5511987654321',
    '+55 (11) 98765-4321',
    '+55 011 98765-4321',
    '+55 015 11 98765-4321',
    '(+55) 11 98765-4321',
    '+(55) 11 98765-4321',
    '005511987654321',
    '0055 11 98765-4321',
    '0015 55 11 98765-4321',
    '90 11 98765-4321',
    '１１９８７６５４３２１',
    '11\u00a098765\u00a04321',
    '\u200b11987654321\ufeff',
    '\u202a+55 11 98765-4321\u202c',
    '  11987654321\t',
  ])('%j', (raw) => {
    expect(parsePhone(raw, sms)).toEqual(MOBILE);
  });
});

describe('corrections', () => {
  test.each([
    '1187654321',
    '(11) 8765-4321',
    '551187654321',
    '+55 11 8765-4321',
    '0 11 8765-4321',
    '0 15 11 8765-4321',
    '0055 11 8765-4321',
    '11987654321.0',
    '11987654321,0',
    '11987654321.00',
    '1187654321.0',
    "'11987654321",
    '’11987654321',
    '="11987654321"',
  ])('%j counts as corrected', (raw) => {
    expect(parsePhone(raw, sms)).toEqual({ ...MOBILE, corrected: true });
  });

  test('adds the ninth digit to numbers of trunking radios too, which no longer exist with eight', () => {
    expect(parsePhone('11 7765-4321', sms)).toMatchObject({
      e164: '+5511977654321',
      corrected: true,
    });
  });
});

describe('area code 55 and country code 55', () => {
  test.each([
    ['55987654321', '+5555987654321', false],
    ['5587654321', '+5555987654321', true],
    ['55 55 98765-4321', '+5555987654321', false],
    ['555587654321', '+5555987654321', true],
    ['+55 55 98765-4321', '+5555987654321', false],
  ])('%s', (raw, e164, corrected) => {
    expect(parsePhone(raw, sms)).toEqual({ ok: true, e164, corrected, type: 'mobile' });
  });

  test('does not take the area out of an explicit country code', () => {
    expect(parsePhone('+55 98765-4321', sms)).toEqual({ ok: false, reason: 'missing_area_code' });
    expect(parsePhone('0055 98765-4321', sms)).toEqual({ ok: false, reason: 'missing_area_code' });
  });
});

describe('refusals', () => {
  test.each([
    ['', 'empty'],
    [' \u200b ', 'empty'],
    ['-', 'empty'],
    ['5,51199E+12', 'spreadsheet_damaged'],
    ['5.51199E+12', 'spreadsheet_damaged'],
    ['5,51199e12', 'spreadsheet_damaged'],
    ['5E+12', 'spreadsheet_damaged'],
    ['1.1987654321E10', 'spreadsheet_damaged'],
    ['########', 'spreadsheet_damaged'],
    ['#N/D', 'spreadsheet_damaged'],
    ['#REF!', 'spreadsheet_damaged'],
    ['não tem', 'letters'],
    ['11 98765-4321 ramal 12', 'letters'],
    ['11 98765-432l', 'letters'],
    ['11 98765-4321 / 11 91234-5678', 'several_numbers'],
    ['11987654321;11912345678', 'several_numbers'],
    ['98765-4321', 'missing_area_code'],
    ['8765-4321', 'missing_area_code'],
    ['20 98765-4321', 'invalid_area_code'],
    ['0', 'wrong_length'],
    ['119876543', 'missing_area_code'],
    ['119876543211', 'wrong_length'],
    ['551198765432100', 'wrong_length'],
    ['11 18765-4321', 'invalid_number'],
    ['11 1876-4321', 'invalid_number'],
    ['11987654321 #2', 'invalid_number'],
    ['11+987654321', 'invalid_number'],
    ['+11987654321', 'invalid_number'],
    ['14155552671', 'invalid_number'],
    ['0800 777 1234', 'service_number'],
    ['4004-1234', 'service_number'],
    ['(11) 3333-4444', 'landline'],
    ['+55 11 3333-4444', 'landline'],
    ['1133334444.0', 'landline'],
  ])('%j: %s', (raw, reason) => {
    expect(parsePhone(raw, sms)).toEqual({ ok: false, reason });
  });

  test('takes landlines where no mobile is asked for, but no service number', () => {
    expect(parsePhone('(11) 3333-4444', whatsapp)).toEqual({
      ok: true,
      e164: '+551133334444',
      corrected: false,
      type: 'landline',
    });
    expect(parsePhone('0800 777 1234', whatsapp)).toEqual({ ok: false, reason: 'service_number' });
  });
});

describe('other countries', () => {
  test.each([
    ['+351 912 345 678', '+351912345678'],
    ['00351912345678', '+351912345678'],
    ['0015 351 912 345 678', '+351912345678'],
    ['+1 (415) 555-2671', '+14155552671'],
  ])('%s is accepted', (raw, e164) => {
    expect(parsePhone(raw, sms)).toMatchObject({ ok: true, e164, type: 'mobile' });
  });

  test('refuses a foreign landline for SMS and a number that its country does not have', () => {
    expect(parsePhone('+351 21 234 5678', sms)).toEqual({ ok: false, reason: 'landline' });
    expect(parsePhone('+351 012 345 678', sms)).toEqual({ ok: false, reason: 'invalid_number' });
  });

  test('reads national spellings of another default country', () => {
    const portugal = { defaultCountry: 'PT', requireMobile: true } as const;
    expect(parsePhone('912 345 678', portugal)).toMatchObject({ e164: '+351912345678' });
    expect(parsePhone('+5511987654321', portugal)).toMatchObject({ e164: '+5511987654321' });
    expect(parsePhone('0055 11 98765-4321', portugal)).toMatchObject({ e164: '+5511987654321' });
  });
});

/** Repeatable noise: a small linear congruential generator. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('the fast path', () => {
  const random = randomOf(20261121);
  const pick = (choices: string[]) => choices[random(choices.length)]!;
  const digits = (count: number) => Array.from({ length: count }, () => random(10)).join('');
  const spell = () => {
    const prefix = pick([
      '',
      '',
      '',
      '+55',
      '+55 ',
      '55',
      '55 ',
      '0',
      '0 ',
      '015',
      '0 21 ',
      '0055',
      '+',
      '+550',
      '90',
    ]);
    const area = String(random(100)).padStart(2, '0');
    const local = pick(['9', '9', '9', '8', '7', '6', '3', '']) + digits(6 + random(3));
    const cut = local.length - 4;
    return (
      prefix +
      pick([
        `${area}${local}`,
        `(${area}) ${local.slice(0, cut)}-${local.slice(cut)}`,
        `${area} ${local}`,
        `${area}-${local.slice(0, cut)} ${local.slice(cut)}`,
      ])
    );
  };

  test('agrees with the library on every one of 60,000 spellings', () => {
    for (let i = 0; i < 60_000; i++) {
      const raw = spell();
      const options = i % 2 === 0 ? sms : whatsapp;
      const fast = parsePhone(raw, options);
      if (JSON.stringify(fast) !== JSON.stringify(parseAnyPhone(raw, options))) {
        expect([raw, fast]).toEqual([raw, parseAnyPhone(raw, options)]);
      }
    }
  });

  test('never refuses or changes a mobile that the library itself accepts with eleven digits', () => {
    let compared = 0;
    for (let i = 0; i < 40_000; i++) {
      const raw = spell();
      if (raw.startsWith('00')) continue; // the library takes 0055 for carrier 55
      const known = parsePhoneNumberFromString(raw, 'BR');
      if (!known?.isValid() || known.country !== 'BR' || known.nationalNumber.length !== 11)
        continue;
      if (known.getType() !== 'MOBILE') continue;
      compared++;
      const ours = parsePhone(raw, sms);
      if (!ours.ok || ours.e164 !== known.number || ours.corrected) {
        expect([raw, ours]).toEqual([raw, known.number]);
      }
    }
    expect(compared).toBeGreaterThan(2_000);
  });

  test('knows exactly the area codes of the library', () => {
    for (let area = 11; area < 100; area++) {
      const national = `${String(area).padStart(2, '0')}987654321`;
      const known = parsePhoneNumberFromString(`+55${national}`)?.isValid() ?? false;
      expect([area, parsePhone(`+55${national}`, sms).ok]).toEqual([area, known]);
    }
  });
});

describe('time zone of a phone', () => {
  test.each([
    ['+5511987654321', 'America/Sao_Paulo'],
    ['+5592987654321', 'America/Manaus'],
    ['+5568987654321', 'America/Rio_Branco'],
    ['+5565987654321', 'America/Cuiaba'],
    ['+5585987654321', 'America/Fortaleza'],
    ['+351912345678', 'Europe/Lisbon'],
    ['+819012345678', 'Asia/Tokyo'],
    ['+14155552671', 'America/Bahia'],
  ])('%s: %s', (e164, zone) => {
    expect(timeZoneOfPhone(e164, 'America/Bahia')).toBe(zone);
  });

  test('knows every Brazilian area code, with a zone that exists', () => {
    for (let area = 11; area < 100; area++) {
      if (!parsePhone(`+55${area}987654321`, sms).ok) continue;
      const zone = timeZoneOfPhone(`+55${area}987654321`, 'unknown');
      expect(() => new Intl.DateTimeFormat('en', { timeZone: zone })).not.toThrow();
    }
  });
});
