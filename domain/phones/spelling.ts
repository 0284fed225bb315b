export type CleanPhone =
  | { ok: true; digits: string; international: boolean; repaired: boolean }
  | {
      ok: false;
      reason: 'empty' | 'spreadsheet_damaged' | 'letters' | 'several_numbers' | 'invalid_number';
    };

/** Zero-width characters, direction marks, soft hyphen, byte order mark. */
const INVISIBLE = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const SCIENTIFIC = /^[+-]?\d(?:[.,]\d*)?\s?e\s?[+-]?\s?\d{1,3}$/i;
/** What a spreadsheet writes when a cell is too narrow or its formula failed: `#####`, `#N/D`, `#REF!`. */
const CELL_ERROR = /^#/;
const DECIMAL_ZERO = /^(.*\d)[.,]0$|^(\+?\d{8,})[.,]0+$/;
/** `0xx11` and `0**11` leave the carrier open. */
const OPEN_CARRIER = /^\(?\s*0\s?(?:x{2}|\*{2})\s*\(?/i;
const ALLOWED = /^\+?[\d\s()[\]./,_·\p{Pd}]*$/u;

/** Takes spelling and repairable spreadsheet damage away; refuses what leaves room for a guess. */
export function cleanPhone(raw: string): CleanPhone {
  let text = raw.normalize('NFKC').replace(INVISIBLE, '').trim();
  const unwrapped = unwrap(text);
  let repaired = unwrapped !== text;
  text = unwrapped;
  if (SCIENTIFIC.test(text) || CELL_ERROR.test(text)) {
    return { ok: false, reason: 'spreadsheet_damaged' };
  }
  const decimal = DECIMAL_ZERO.exec(text);
  if (decimal) {
    text = decimal[1] ?? decimal[2] ?? '';
    repaired = true;
  }
  text = text.replace(OPEN_CARRIER, '');
  if (/\p{L}/u.test(text)) return { ok: false, reason: 'letters' };
  if (holdsSeveral(text)) return { ok: false, reason: 'several_numbers' };
  const digits = text.replace(/\D/g, '');
  if (digits === '') return { ok: false, reason: 'empty' };
  const number = text.replace(/^\(\s*\+/, '+(');
  if (!ALLOWED.test(number)) return { ok: false, reason: 'invalid_number' };
  return { ok: true, digits, international: number.startsWith('+'), repaired };
}

/** A leading apostrophe and `="…"` are how spreadsheets keep a number from becoming one. */
function unwrap(text: string): string {
  const formula = /^="?([^"]*)"?$/.exec(text);
  return (formula?.[1] ?? text).replace(/^['’‘`´"]+/, '').trim();
}

/** Two numbers in one cell, as in `11 98765-4321 / 11 3333-4444`. */
function holdsSeveral(text: string): boolean {
  const parts = text.split(/[/;|,\n]/);
  return parts.filter((part) => part.replace(/\D/g, '').length >= 8).length > 1;
}

/** Puts the area code of a column of its own before a phone that is written without one. */
export function withAreaCode(phone: string, areaCode: string): string {
  const local = digitsOf(phone);
  if (local.length !== 8 && local.length !== 9) return phone;
  const area = digitsOf(areaCode).replace(/^0+/, '');
  return area === '' ? phone : `${area} ${phone}`;
}

/** Without the `.0` of a spreadsheet that took the text for a number. */
function digitsOf(text: string): string {
  return text.replace(/[.,]0+$/, '').replace(/\D/g, '');
}
