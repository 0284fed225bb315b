export type DocumentRejectReason = 'empty' | 'spreadsheet_damaged' | 'invalid_document';

/** What is wrong with a document, said of its field. */
export const DOCUMENT_REFUSALS: Readonly<Record<DocumentRejectReason, string>> = {
  empty: 'is empty',
  spreadsheet_damaged: 'was damaged by a spreadsheet (scientific notation)',
  invalid_document: 'is not a valid CPF or CNPJ',
};

export type ParsedDocument =
  | { ok: true; kind: 'cpf' | 'cnpj'; value: string; corrected: boolean }
  | { ok: false; reason: DocumentRejectReason };

const SCIENTIFIC = /^\d[.,]?\d*e[+-]?\d{1,3}$/i;

/**
 * Reads a CPF or CNPJ, the alphanumeric CNPJ of July 2026 included, and proves its check digits. `value` has no
 * punctuation: 11 digits, or 12 capitals and digits followed by two digits. Zeros that a spreadsheet took from the
 * front are put back and a trailing `.0` or leading apostrophe is taken away (`corrected`); a CPF may have lost three
 * zeros, a CNPJ two, so that a short number is not mistaken for a document.
 */
export function parseDocument(raw: string): ParsedDocument {
  if (/^\d{11}$/.test(raw) && isCpf(raw)) return accept('cpf', raw, false);
  const text = raw.normalize('NFKC').trim();
  const unwrapped = text.replace(/^(?:="|['’])|"$/g, '').replace(/^(\d+)[.,]0+$/, '$1');
  if (SCIENTIFIC.test(unwrapped) || unwrapped.startsWith('#')) {
    return { ok: false, reason: 'spreadsheet_damaged' };
  }
  const value = unwrapped.replace(/[\s./\-_\p{Cf}\p{Pd}]/gu, '').toUpperCase();
  if (value === '') return { ok: false, reason: 'empty' };
  const repaired = unwrapped !== text;
  if (/^\d{8,11}$/.test(value)) {
    const cpf = value.padStart(11, '0');
    if (isCpf(cpf)) return accept('cpf', cpf, repaired || cpf !== value);
  } else if (/^\d{12,13}$/.test(value)) {
    const cnpj = value.padStart(14, '0');
    if (isCnpj(cnpj)) return accept('cnpj', cnpj, true);
  } else if (isCnpj(value)) {
    return accept('cnpj', value, repaired);
  }
  return { ok: false, reason: 'invalid_document' };
}

function accept(kind: 'cpf' | 'cnpj', value: string, corrected: boolean): ParsedDocument {
  return { ok: true, kind, value, corrected };
}

/** Puts the check digits behind the first nine digits of a CPF, for invented people. */
export function completeCpf(nineDigits: string): string {
  const ten = `${nineDigits}${checkDigit(nineDigits, 9, 11)}`;
  return `${ten}${checkDigit(ten, 10, 11)}`;
}

/** @param cpf 11 digits */
function isCpf(cpf: string): boolean {
  if (allEqual(cpf)) return false;
  return checkDigit(cpf, 9, 11) === digitAt(cpf, 9) && checkDigit(cpf, 10, 11) === digitAt(cpf, 10);
}

function isCnpj(cnpj: string): boolean {
  if (!/^[0-9A-Z]{12}\d{2}$/.test(cnpj) || allEqual(cnpj)) return false;
  return (
    checkDigit(cnpj, 12, 9) === digitAt(cnpj, 12) && checkDigit(cnpj, 13, 9) === digitAt(cnpj, 13)
  );
}

/**
 * Modulo 11 over the first `length` characters, whose weights grow from 2 at the right to `maxWeight` and begin again.
 * A character is worth its code less 48, so that a digit is worth itself and `A` is 17.
 */
function checkDigit(text: string, length: number, maxWeight: number): number {
  let sum = 0;
  let weight = 2;
  for (let i = length - 1; i >= 0; i--) {
    sum += digitAt(text, i) * weight;
    weight = weight === maxWeight ? 2 : weight + 1;
  }
  const rest = sum % 11;
  return rest < 2 ? 0 : 11 - rest;
}

function digitAt(text: string, index: number): number {
  return text.charCodeAt(index) - 48;
}

function allEqual(text: string): boolean {
  return text === (text[0] ?? '').repeat(text.length);
}
