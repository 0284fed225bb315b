import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/max';
import { readAfterCountry, readBrazilianDigits, type BrazilianNumber } from './brazil';
import { cleanPhone } from './spelling';

export type PhoneRejectReason =
  | 'empty'
  | 'spreadsheet_damaged'
  | 'letters'
  | 'several_numbers'
  | 'missing_area_code'
  | 'invalid_area_code'
  | 'wrong_length'
  | 'landline'
  | 'service_number'
  | 'invalid_number';

/** `mobile` includes numbers of countries that do not tell mobiles from landlines; `other` is VoIP and personal numbers. */
export type PhoneType = 'mobile' | 'landline' | 'other';

export type ParsedPhone =
  | { ok: true; e164: string; corrected: boolean; type: PhoneType }
  | { ok: false; reason: PhoneRejectReason };

export interface PhoneOptions {
  /** Country of numbers that are written without one. */
  defaultCountry: CountryCode;
  /** True for SMS and RCS: a landline is refused. WhatsApp works on landlines too. */
  requireMobile: boolean;
}

export { withAreaCode } from './spelling';
export type { CountryCode };

/**
 * Reads one phone as people and spreadsheets write it. `corrected` says that the file did not hold the number itself:
 * the ninth digit was added, or a trailing `.0`, a leading apostrophe or `="…"` was taken away. Punctuation, prefixes
 * and full-width digits are spelling, not correction. What cannot be known is refused, never guessed.
 */
export function parsePhone(raw: string, options: PhoneOptions): ParsedPhone {
  if (options.defaultCountry === 'BR' && PLAIN.test(raw)) {
    const fast = readPlainBrazilian(raw, options.requireMobile);
    if (fast !== null) return fast;
  }
  return parseAnyPhone(raw, options);
}

/** Digits with the usual punctuation, and no dot that could be a spreadsheet's decimal point. */
const PLAIN = /^\+?[\d() -]{10,24}$/;
const PUNCTUATION = /[+() -]/g;

/** The common spellings without the library, which knows as much but takes twenty times longer; null leaves it the rest. */
function readPlainBrazilian(raw: string, requireMobile: boolean): ParsedPhone | null {
  const digits = raw.replace(PUNCTUATION, '');
  const international = raw.charCodeAt(0) === 43;
  if (international ? !digits.startsWith('55') : digits.startsWith('00')) return null;
  const read = international ? readAfterCountry(digits.slice(2)) : readBrazilianDigits(digits);
  if (read.kind === 'refused') return null;
  if (read.kind === 'mobile') {
    return { ok: true, e164: `+55${read.national}`, corrected: read.ninthAdded, type: 'mobile' };
  }
  return requireMobile
    ? { ok: false, reason: 'landline' }
    : { ok: true, e164: `+55${read.national}`, corrected: false, type: 'landline' };
}

/** The same answers as `parsePhone`, always asking the library; the tests hold the two against each other. */
export function parseAnyPhone(raw: string, options: PhoneOptions): ParsedPhone {
  const clean = cleanPhone(raw);
  if (!clean.ok) return clean;
  const { digits, repaired } = clean;
  if (clean.international) {
    return internationalNumber(digits.replace(/^0+/, ''), repaired, options.requireMobile);
  }
  if (digits.startsWith('00')) return dialledAbroad(digits, repaired, options);
  if (options.defaultCountry === 'BR') {
    return brazilian(readBrazilianDigits(digits), digits, repaired, options.requireMobile);
  }
  return byLibrary(digits, options.defaultCountry, repaired, options.requireMobile);
}

function internationalNumber(
  number: string,
  repaired: boolean,
  requireMobile: boolean,
): ParsedPhone {
  return number.startsWith('55')
    ? brazilian(readAfterCountry(number.slice(2)), number.slice(2), repaired, requireMobile)
    : byLibrary(`+${number}`, undefined, repaired, requireMobile);
}

/** 00 is the way out of most countries; Brazil puts a carrier's two digits behind it. */
function dialledAbroad(digits: string, repaired: boolean, options: PhoneOptions): ParsedPhone {
  const number = digits.replace(/^0+/, '');
  const direct = internationalNumber(number, repaired, options.requireMobile);
  if (direct.ok || direct.reason !== 'invalid_number' || options.defaultCountry !== 'BR') {
    return direct;
  }
  const behindCarrier = internationalNumber(number.slice(2), repaired, options.requireMobile);
  if (behindCarrier.ok) return behindCarrier;
  return brazilian(readBrazilianDigits(digits), digits, repaired, options.requireMobile);
}

function brazilian(
  read: BrazilianNumber,
  digits: string,
  repaired: boolean,
  requireMobile: boolean,
): ParsedPhone {
  if (read.kind !== 'refused') {
    const corrected = repaired || (read.kind === 'mobile' && read.ninthAdded);
    return byLibrary(`+55${read.national}`, undefined, corrected, requireMobile);
  }
  // 0800, 4004 and 90 (a collect call) follow rules of their own, which the library knows.
  const other = byLibrary(digits, 'BR', repaired, requireMobile);
  if (other.ok || other.reason !== 'invalid_number') return other;
  return { ok: false, reason: read.reason };
}

function byLibrary(
  text: string,
  country: CountryCode | undefined,
  corrected: boolean,
  requireMobile: boolean,
): ParsedPhone {
  const phone = parsePhoneNumberFromString(text, country === undefined ? {} : country);
  if (phone === undefined || !phone.isValid()) return { ok: false, reason: 'invalid_number' };
  const type = phone.getType();
  const accept = (as: PhoneType): ParsedPhone => ({
    ok: true,
    e164: phone.number,
    corrected,
    type: as,
  });
  switch (type) {
    case 'MOBILE':
    case 'FIXED_LINE_OR_MOBILE':
      return accept('mobile');
    case 'FIXED_LINE':
      return requireMobile ? { ok: false, reason: 'landline' } : accept('landline');
    case 'VOIP':
    case 'PERSONAL_NUMBER':
      return requireMobile ? { ok: false, reason: 'landline' } : accept('other');
    case 'TOLL_FREE':
    case 'PREMIUM_RATE':
    case 'SHARED_COST':
    case 'PAGER':
    case 'UAN':
    case 'VOICEMAIL':
    case undefined:
      break;
  }
  return { ok: false, reason: type === undefined ? 'invalid_number' : 'service_number' };
}
