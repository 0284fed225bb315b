import type { Channel } from './channels';
import { addressKind } from './channels';
import { normalizeName } from './column-names';
import { RegenteError } from './errors';

export const AUDIENCE_FIELDS = [
  'phone',
  'email',
  'nome',
  'cpfCnpj',
  'idcobContrato',
  'customMessage',
] as const;
export type AudienceField = (typeof AUDIENCE_FIELDS)[number];

/** Header of the file per field, where the names alone would be understood differently. */
export type ColumnMapping = Partial<Record<AudienceField, string>>;

/** Indexes into a row's cells. */
export interface AudienceColumns {
  headers: readonly string[];
  fields: Partial<Record<AudienceField, number>>;
  /** A column with the area code of the phone beside it. */
  areaCode: number | null;
  /** Read where the document's own column is blank, in files with `cpf` and `cnpj` apart. */
  cnpj: number | null;
  /** Everything else, and mapped columns whose name alone does not say their field. */
  variables: { index: number; name: string }[];
}

const MAX_COLUMNS = 200;

/**
 * Names of each field without separators, the preferred first: where a file has several, the earliest in this list
 * wins and the others become variables. Of equal names the leftmost wins.
 */
const NAMES: Record<AudienceField, string[]> = {
  phone: words(
    `celular cel telefonecelular telcelular fonecelular numerocelular numerodocelular numerodecelular celular1 cel1
     celularprincipal mobile mobilephone cellphone
     whatsapp whats wpp zap numerowhatsapp telefonewhatsapp celularwhatsapp
     telefone fone tel phone phonenumber telefone1 fone1 tel1 telefoneprincipal telefonecliente telefonedocliente
     telefonecontato telefonedecontato numerotelefone numerodetelefone numerodotelefone msisdn
     dddcelular celularddd celularcomddd dddtelefone telefoneddd telefonecomddd dddfone dddtel dddnumero
     numero num nro contato destinatario destino`,
  ),
  email: words(
    `email mail enderecoemail enderecodeemail emailcliente emaildocliente emailprincipal email1 emailcontato
     correioeletronico enderecoeletronico`,
  ),
  nome: words(
    `nome nomecliente nomedocliente nomecompleto cliente nomedevedor nomedodevedor devedor nomecontato nomedocontato
     razaosocial nomerazaosocial name fullname customername`,
  ),
  cpfCnpj: words(
    `cpfcnpj cpfoucnpj cnpjcpf cpfcnpjcliente cpfcnpjdocliente cpfcnpjdevedor cpf cpfcliente cpfdocliente cpfdevedor
     cnpj cnpjcliente cnpjdocliente documento numerodocumento numerododocumento nrdocumento doc document taxid`,
  ),
  idcobContrato: words(
    `idcobcontrato idcob idcontrato contrato numerocontrato numerodocontrato nrcontrato nrocontrato ncontrato
     nocontrato nodocontrato ndocontrato codigocontrato codigodocontrato codcontrato contract contractid`,
  ),
  customMessage: words(
    `mensagem custommessage mensagempersonalizada mensagemcustomizada textomensagem textodamensagem message msg texto
     sms conteudo`,
  ),
};
const WHATSAPP_NAMES = NAMES.phone.filter((name) => /whats|wpp|zap/.test(name));
const AREA_CODE_NAMES = words('ddd codigoarea codigodearea codarea areacode dddcel');
const FIELD_OF_NAME = new Map(
  AUDIENCE_FIELDS.flatMap((field) => NAMES[field].map((name) => [name, field] as const)),
);

function words(text: string): string[] {
  return text.split(/\s+/);
}

const compact = (header: string): string => normalizeName(header).replaceAll('_', '');

/** The field that a header or a template variable means by itself, if any. @param name as `normalizeName` gives it */
export function fieldOfName(name: string): AudienceField | undefined {
  return FIELD_OF_NAME.get(name.replaceAll('_', ''));
}

/** The query parameter that named the column of a field, which a refusal points at; `map[<field>]` when not said. */
export type MappedBy = Partial<Record<AudienceField, string>>;

/**
 * Decides what each column is. Throws VALIDATION, with the columns seen in `details.columns`, when no column holds the
 * channel's address, when a mapped column is not there, or when the first line is no header.
 */
export function resolveColumns(
  headers: readonly string[],
  options: { channel: Channel; mapping?: ColumnMapping; mappedBy?: MappedBy },
): AudienceColumns {
  requireColumnCount(headers.length);
  const mapped = mappedFields(headers, options.mapping ?? {}, options.mappedBy ?? {});
  const taken = new Set(Object.values(mapped));
  const names = headers.map((header, index) => (taken.has(index) ? '' : compact(header)));
  const areaCode = areaCodeColumn(names);
  if (areaCode !== null) names[areaCode] = '';
  const fields = { ...mapped };
  for (const field of AUDIENCE_FIELDS) {
    if (fields[field] !== undefined) continue;
    const index = firstOf(preferredNames(field, options.channel), names);
    if (index !== null) fields[field] = index;
  }
  const address = addressKind(options.channel);
  if (fields[address] === undefined) throw noAddress(headers, address);
  const cnpj = names.indexOf('cnpj');
  return {
    headers,
    fields,
    areaCode,
    cnpj: cnpj === -1 || fields.cpfCnpj === cnpj || mapped.cpfCnpj !== undefined ? null : cnpj,
    variables: variablesOf(headers, fields),
  };
}

/** Throws VALIDATION for more columns than are read. */
export function requireColumnCount(count: number): void {
  if (count <= MAX_COLUMNS) return;
  throw new RegenteError(
    'VALIDATION',
    `There are ${count} columns; at most ${MAX_COLUMNS} are read.`,
  );
}

function preferredNames(field: AudienceField, channel: Channel): string[] {
  return field === 'phone' && channel === 'whatsapp'
    ? [...WHATSAPP_NAMES, ...NAMES.phone]
    : NAMES[field];
}

function firstOf(wanted: readonly string[], names: readonly string[]): number | null {
  for (const name of wanted) {
    const index = names.indexOf(name);
    if (index !== -1) return index;
  }
  return null;
}

/** `ddd`, or `ddd_celular` beside a `celular` of its own; alone, `ddd_celular` is the whole number. */
function areaCodeColumn(names: readonly string[]): number | null {
  const plain = firstOf(AREA_CODE_NAMES, names);
  if (plain !== null) return plain;
  const beside = names.findIndex(
    (name) => name.startsWith('ddd') && name !== 'ddd' && names.includes(name.slice(3)),
  );
  return beside === -1 ? null : beside;
}

function mappedFields(
  headers: readonly string[],
  mapping: ColumnMapping,
  mappedBy: MappedBy,
): Partial<Record<AudienceField, number>> {
  const found: Partial<Record<AudienceField, number>> = {};
  for (const field of AUDIENCE_FIELDS) {
    const wanted = mapping[field];
    if (wanted === undefined) continue;
    let index = headers.findIndex((header) => header.trim() === wanted.trim());
    if (index === -1) index = headers.findIndex((header) => compact(header) === compact(wanted));
    if (index === -1) {
      throw refusal(`The file has no column "${wanted}".`, headers, {
        pointer: `/query/${mappedBy[field] ?? `map[${field}]`}`,
        detail: `is not a column of the file: ${listed(headers)}`,
      });
    }
    if (Object.values(found).includes(index)) {
      throw refusal(`The column "${wanted}" is mapped to two fields.`, headers, {
        pointer: `/query/${mappedBy[field] ?? `map[${field}]`}`,
        detail: 'is mapped to another field as well',
      });
    }
    found[field] = index;
  }
  return found;
}

function variablesOf(
  headers: readonly string[],
  fields: Partial<Record<AudienceField, number>>,
): { index: number; name: string }[] {
  const used = new Set<string>();
  const variables: { index: number; name: string }[] = [];
  headers.forEach((header, index) => {
    const base = normalizeName(header) || `coluna_${index + 1}`;
    let name = base;
    for (let again = 2; used.has(name); again++) name = `${base}_${again}`;
    used.add(name);
    const field = AUDIENCE_FIELDS.find((candidate) => fields[candidate] === index);
    if (field === undefined || fieldOfName(normalizeName(header)) !== field)
      variables.push({ index, name });
  });
  return variables;
}

function noAddress(headers: readonly string[], address: 'phone' | 'email'): RegenteError {
  if (headers.some(looksLikeData)) {
    return refusal(
      'The first line looks like data. Add a line with column names above it, for example: telefone;nome;cpf.',
      headers,
    );
  }
  const what = address === 'phone' ? 'phone numbers (telefone, celular, …)' : 'e-mail addresses';
  return refusal(
    `No column holds ${what}. Columns seen: ${listed(headers)}. Rename one, or say which it is in "mapping".`,
    headers,
  );
}

function looksLikeData(cell: string): boolean {
  return cell.replace(/\D/g, '').length >= 8 || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(cell.trim());
}

function listed(headers: readonly string[]): string {
  const names = headers.slice(0, 20).map((header) => `"${header.slice(0, 40)}"`);
  return names.join(', ') + (headers.length > 20 ? ` and ${headers.length - 20} more` : '');
}

function refusal(
  message: string,
  headers: readonly string[],
  field?: { pointer: string; detail: string },
): RegenteError {
  const columns = headers.slice(0, MAX_COLUMNS).map((header) => header.slice(0, 80));
  return new RegenteError('VALIDATION', message, {
    details: { columns },
    ...(field ? { fields: [field] } : {}),
  });
}
