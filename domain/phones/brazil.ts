/** Area codes that exist, as ANATEL and libphonenumber know them. */
const AREA_CODES = new Set(
  (
    '11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 ' +
    '61 62 63 64 65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99'
  ).split(' '),
);

/** `national` has the area code and no prefix: 11 digits of a mobile, 10 of a landline. */
export type BrazilianNumber =
  | { kind: 'mobile'; national: string; ninthAdded: boolean }
  | { kind: 'landline'; national: string }
  | {
      kind: 'refused';
      reason: 'missing_area_code' | 'invalid_area_code' | 'wrong_length' | 'invalid_number';
    };

const refused = (
  reason: 'missing_area_code' | 'invalid_area_code' | 'wrong_length' | 'invalid_number',
): BrazilianNumber => ({ kind: 'refused', reason });

/**
 * Reads the digits of a Brazilian number in any of its spellings: with or without 55, with a trunk 0 and the two
 * digits of a carrier. Without a + lengths decide what 55 is: the country only before 10 or 11 more digits, else the
 * area. Local numbers of eight digits that begin with 6–9 are old mobiles and get their ninth digit; the trunking
 * radios that kept eight digits (70, 77–79) were switched off in 2018.
 */
export function readBrazilianDigits(written: string): BrazilianNumber {
  const countryFirst =
    written.startsWith('55') && (written.length >= 12 || written.charCodeAt(2) === 48);
  return readAfterCountry(countryFirst ? written.slice(2) : written);
}

/** The same for what follows an explicit +55. */
export function readAfterCountry(written: string): BrazilianNumber {
  if (written.charCodeAt(0) !== 48) return readNational(written);
  const digits = written.replace(/^0+/, '');
  const withCarrier = digits.length === 12 || digits.length === 13;
  return readNational(withCarrier ? digits.slice(2) : digits);
}

function readNational(digits: string): BrazilianNumber {
  if (digits.length === 8 || digits.length === 9) return refused('missing_area_code');
  if (digits.length !== 10 && digits.length !== 11) return refused('wrong_length');
  if (!AREA_CODES.has(digits.slice(0, 2))) return refused('invalid_area_code');
  const first = digits.charCodeAt(2) - 48;
  if (digits.length === 11) {
    return first === 9
      ? { kind: 'mobile', national: digits, ninthAdded: false }
      : refused('invalid_number');
  }
  if (first >= 6) {
    return {
      kind: 'mobile',
      national: `${digits.slice(0, 2)}9${digits.slice(2)}`,
      ninthAdded: true,
    };
  }
  return first >= 2 ? { kind: 'landline', national: digits } : refused('invalid_number');
}
