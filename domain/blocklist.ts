import { fieldOfName, resolveColumns } from './audience-columns';
import { present } from './audience-rows';
import { normalizeName } from './column-names';
import { parseDocument, type DocumentRejectReason } from './documents';
import { RegenteError } from './errors';
import { parsePhone, withAreaCode, type PhoneRejectReason } from './phones';

/** Addresses as the gate compares them: E.164, and CPF or CNPJ without punctuation. */
export interface NewBlocklistEntry {
  phone: string | null;
  cpfCnpj: string | null;
  reason: string | null;
}

export type BlocklistRejectReason =
  | Exclude<PhoneRejectReason | DocumentRejectReason, 'empty'>
  | 'missing_address'
  | 'too_long';

export type BlocklistRow =
  | { ok: true; entry: NewBlocklistEntry }
  | { ok: false; column: string | null; reason: BlocklistRejectReason };

/** Indexes into a row's cells. */
export interface BlocklistColumns {
  headers: readonly string[];
  phone: number | null;
  areaCode: number | null;
  cpfCnpj: number | null;
  reason: number | null;
}

const REASON_NAMES = new Set(['motivo', 'reason', 'razao', 'justificativa', 'observacao', 'obs']);
const MAX_REASON = 500;
const CONTROLS = /\p{Cc}+/gu;

/** Decides what each column is, by the names that audiences have. Throws VALIDATION without phones and documents. */
export function blocklistColumns(headers: readonly string[]): BlocklistColumns {
  const names = headers.map(normalizeName);
  const fields = names.map(fieldOfName);
  const audience = fields.includes('phone') ? resolveColumns(headers, { channel: 'sms' }) : null;
  const columns = {
    headers,
    phone: audience?.fields.phone ?? null,
    areaCode: audience?.areaCode ?? null,
    cpfCnpj: audience?.fields.cpfCnpj ?? found(fields.indexOf('cpfCnpj')),
    reason: found(names.findIndex((name) => REASON_NAMES.has(name))),
  };
  if (columns.phone === null && columns.cpfCnpj === null) {
    throw new RegenteError(
      'VALIDATION',
      'No column holds phones (telefone, celular, …) or documents (cpf, cnpj, cpf_cnpj). The first line must name the columns.',
      { details: { columns: headers.slice(0, 20).map((header) => header.slice(0, 80)) } },
    );
  }
  return columns;
}

/** Reads one row. One bad field refuses the whole row, so that nobody takes half an entry for a whole one. */
export function readBlocklistRow(
  cells: readonly string[],
  columns: BlocklistColumns,
): BlocklistRow {
  const refused = (index: number | null, reason: BlocklistRejectReason): BlocklistRow => ({
    ok: false,
    column: index === null ? null : (columns.headers[index] ?? null),
    reason,
  });
  const entry: NewBlocklistEntry = { phone: null, cpfCnpj: null, reason: null };
  const phone = present(cells, columns.phone ?? undefined);
  if (phone !== null) {
    const { areaCode } = columns;
    const whole = areaCode === null ? phone : withAreaCode(phone, cells[areaCode] ?? '');
    const parsed = parsePhone(whole, {
      defaultCountry: 'BR',
      requireMobile: false,
    });
    if (parsed.ok) entry.phone = parsed.e164;
    else if (parsed.reason !== 'empty') return refused(columns.phone, parsed.reason);
  }
  const cpfCnpj = present(cells, columns.cpfCnpj ?? undefined);
  if (cpfCnpj !== null) {
    const parsed = parseDocument(cpfCnpj);
    if (parsed.ok) entry.cpfCnpj = parsed.value;
    else if (parsed.reason !== 'empty') return refused(columns.cpfCnpj, parsed.reason);
  }
  if (entry.phone === null && entry.cpfCnpj === null) {
    return refused(columns.phone ?? columns.cpfCnpj, 'missing_address');
  }
  const reason = present(cells, columns.reason ?? undefined)?.replace(CONTROLS, ' ') ?? null;
  if (reason !== null && reason.length > MAX_REASON) return refused(columns.reason, 'too_long');
  return { ok: true, entry: { ...entry, reason } };
}

function found(index: number): number | null {
  return index === -1 ? null : index;
}
