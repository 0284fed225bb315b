import type { AudienceColumns } from './audience-columns';
import { fieldOfName } from './audience-columns';
import { addressKind, type Channel } from './channels';
import { parseDocument } from './documents';
import { placeholderProblem, type Lookup } from './template-syntax';
import { parsePhone, withAreaCode, type CountryCode, type PhoneRejectReason } from './phones';
import { timeZoneOfPhone } from './time-zones';

/** One person of an audience, as it is stored. `address` is the phone in E.164 or the e-mail, by channel. */
export interface AudienceRecipient {
  channel: Channel;
  address: string;
  phone: string | null;
  email: string | null;
  nome: string | null;
  cpfCnpj: string | null;
  idcobContrato: string | null;
  customMessage: string | null;
  /** By normalised name; blank cells are left out. */
  variables: Record<string, string>;
  timeZone: string;
}

/** Why a row is not in the audience. The first reason that is found is the row's reason. */
export type RejectReason =
  | Exclude<PhoneRejectReason, 'empty'>
  | 'missing_address'
  | 'invalid_email'
  | 'invalid_document'
  | 'too_long'
  | 'column_count'
  | 'broken_placeholder'
  | 'invalid_encoding'
  | 'invalid_quotes'
  | 'row_too_large';

/** What was changed in a row that was taken. */
export type Correction =
  | 'phone'
  | 'document'
  | 'control_characters'
  | 'phone_ignored'
  | 'email_ignored';

export interface AudienceReject {
  /** Physical line of the file on which the row begins, from 1; for a list, the item's number. */
  line: number;
  column: string | null;
  reason: RejectReason;
  /** The offending cell, at most 80 characters. */
  value: string | null;
}

export type RowResult =
  | { ok: true; recipient: AudienceRecipient; corrected: Correction[] }
  | { ok: false; reject: AudienceReject };

export interface RowOptions {
  channel: Channel;
  defaultCountry: CountryCode;
  /** Zone of people whose phone does not tell one. */
  companyTimeZone: string;
}

const MAX_VALUE = 80;
const MAX_LENGTH = {
  email: 254,
  nome: 200,
  idcobContrato: 100,
  customMessage: 5_000,
  variable: 1_000,
} as const;

/** What programs write for "nothing"; "Olá NULL" is a hole too. */
const NOTHING = new Set([
  'NULL',
  'null',
  'NaN',
  'nan',
  'None',
  'undefined',
  '#N/D',
  '#N/A',
  '#REF!',
  '#VALOR!',
  '#VALUE!',
  '#NOME?',
  '#NAME?',
  '#DIV/0!',
]);
const LONGEST_NOTHING = Math.max(...[...NOTHING].map((word) => word.length));
/** PostgreSQL cannot hold U+0000, and nobody wants to read the others; tab and line breaks may stay. */
const CONTROL = /(?![\t\n\r])\p{Cc}|\p{Surrogate}|[\ufffe\uffff]/u;
const CONTROLS = new RegExp(CONTROL.source, 'gu');
/** Cheaper by far, and found in every text in which CONTROL is. */
const MAYBE_CONTROL = /[^\t\n\r -~\u00a0-\ud7ff\ue000-\ufffd]/;
/** White space that is not one single space. */
const LOOSE_SPACE = /\s\s|[^\S ]/;
const EMAIL =
  /^[^\s@<>()[\]\\,;:"]{1,64}@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** A row while it is read; the first refusal stays. */
interface Reading {
  cells: readonly string[];
  columns: AudienceColumns;
  corrected: Correction[];
  refused: { index: number | undefined; reason: RejectReason; value: string } | null;
}

/**
 * Reads one row: checks the address, the document and the sizes, and gives everything else a place. A document that
 * does not check refuses the row, because the blocklist is asked by document and would miss this person. A bad
 * secondary contact (the e-mail of an SMS campaign) is left out and counted as a correction.
 */
export function readRow(
  cells: readonly string[],
  line: number,
  columns: AudienceColumns,
  options: RowOptions,
): RowResult {
  const row: Reading = { cells, columns, corrected: [], refused: null };
  const byPhone = addressKind(options.channel) === 'phone';
  const phone = readPhone(row, options, byPhone);
  const email = readEmail(row, !byPhone);
  const { fields } = columns;
  const cpfCnpj = readDocument(row);
  const nome = inline(readText(row, fields.nome, MAX_LENGTH.nome));
  const idcobContrato = inline(readText(row, fields.idcobContrato, MAX_LENGTH.idcobContrato));
  const customMessage = readMessage(row);
  const variables = readVariables(row);
  const address = byPhone ? phone : email;
  if (row.refused !== null || address === null) return rejected(row, line);
  const timeZone =
    phone === null ? options.companyTimeZone : timeZoneOfPhone(phone, options.companyTimeZone);
  // Written out, because a spread costs half a kilobyte of old heap a row, which is collected late.
  const { channel } = options;
  const recipient = {
    channel,
    address,
    phone,
    email,
    nome,
    cpfCnpj,
    idcobContrato,
    customMessage,
    variables,
    timeZone,
  };
  return { ok: true, recipient, corrected: row.corrected };
}

function rejected(row: Reading, line: number): RowResult {
  const { index, reason, value } = row.refused ?? {
    index: undefined,
    reason: 'missing_address' as const,
    value: '',
  };
  const column = index === undefined ? null : (row.columns.headers[index] ?? null);
  return { ok: false, reject: { line, column, reason, value: shownValue(value) } };
}

function refuse(row: Reading, index: number | undefined, reason: RejectReason): null {
  row.refused ??= { index, reason, value: index === undefined ? '' : (row.cells[index] ?? '') };
  return null;
}

function readPhone(row: Reading, options: RowOptions, isAddress: boolean): string | null {
  const { areaCode } = row.columns;
  const index = row.columns.fields.phone;
  const cell = present(row.cells, index);
  if (cell === null) return isAddress ? refuse(row, index, 'missing_address') : null;
  const whole = areaCode === null ? cell : withAreaCode(cell, row.cells[areaCode] ?? '');
  const parsed = parsePhone(whole, {
    defaultCountry: options.defaultCountry,
    requireMobile: options.channel === 'sms' || options.channel === 'rcs',
  });
  if (parsed.ok) {
    if (parsed.corrected) row.corrected.push('phone');
    return parsed.e164;
  }
  if (isAddress) {
    return refuse(row, index, parsed.reason === 'empty' ? 'missing_address' : parsed.reason);
  }
  row.corrected.push('phone_ignored');
  return null;
}

function readEmail(row: Reading, isAddress: boolean): string | null {
  const index = row.columns.fields.email;
  const cell = present(row.cells, index);
  if (cell === null) return isAddress ? refuse(row, index, 'missing_address') : null;
  const email = cell.toLowerCase();
  if (email.length <= MAX_LENGTH.email && EMAIL.test(email)) return email;
  if (isAddress) return refuse(row, index, 'invalid_email');
  row.corrected.push('email_ignored');
  return null;
}

function readDocument(row: Reading): string | null {
  let index = row.columns.fields.cpfCnpj;
  let cell = present(row.cells, index);
  if (cell === null && row.columns.cnpj !== null) {
    index = row.columns.cnpj;
    cell = present(row.cells, index);
  }
  if (cell === null) return null;
  const parsed = parseDocument(cell);
  if (!parsed.ok) return parsed.reason === 'empty' ? null : refuse(row, index, parsed.reason);
  if (parsed.corrected) row.corrected.push('document');
  return parsed.value;
}

function readVariables(row: Reading): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { index, name } of row.columns.variables) {
    const text = readText(row, index, MAX_LENGTH.variable);
    if (text !== null) variables[name] = text;
  }
  return variables;
}

/** A text of the person's own, which is a template as every text is. */
function readMessage(row: Reading): string | null {
  const index = row.columns.fields.customMessage;
  const text = readText(row, index, MAX_LENGTH.customMessage);
  const broken = text !== null && placeholderProblem(text) !== null;
  return broken ? refuse(row, index, 'broken_placeholder') : text;
}

/** A cell as stored: trimmed, without control characters, line breaks as `\n`; null when blank. */
function readText(row: Reading, index: number | undefined, maxLength: number): string | null {
  let text = present(row.cells, index);
  if (text === null) return null;
  if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
  if (MAYBE_CONTROL.test(text) && CONTROL.test(text)) {
    text = text.replace(CONTROLS, '').trim();
    if (!row.corrected.includes('control_characters')) row.corrected.push('control_characters');
  }
  if (text.length > maxLength) return refuse(row, index, 'too_long');
  return text === '' ? null : text;
}

function inline(text: string | null): string | null {
  return text !== null && LOOSE_SPACE.test(text) ? text.replace(/\s+/g, ' ') : text;
}

/** The trimmed cell, or null when there is nothing in it. */
export function present(cells: readonly string[], index: number | undefined): string | null {
  if (index === undefined) return null;
  const cell = (cells[index] ?? '').trim();
  return cell === '' || (cell.length <= LONGEST_NOTHING && NOTHING.has(cell)) ? null : cell;
}

/** What a report may show of a cell: one line, short, no control characters. */
export function shownValue(value: string): string | null {
  const shown = value
    .slice(0, 4 * MAX_VALUE)
    .replace(CONTROLS, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  if (shown === '') return null;
  return shown.length > MAX_VALUE ? `${shown.slice(0, MAX_VALUE - 1)}…` : shown;
}

/**
 * A person's values by normalised name, for message templates: the file's own columns first, then the fields under any
 * of their names (`{{cliente}}` is the nome of a file that calls it otherwise), and `{{primeiro_nome}}`.
 */
export function recipientLookup(
  recipient: Omit<AudienceRecipient, 'channel' | 'address' | 'timeZone'>,
): Lookup {
  return (name) => {
    if (Object.hasOwn(recipient.variables, name)) return recipient.variables[name];
    if (name === 'primeiro_nome') return recipient.nome?.split(' ', 1)[0];
    const field = fieldOfName(name);
    return field === undefined ? undefined : recipient[field];
  };
}
