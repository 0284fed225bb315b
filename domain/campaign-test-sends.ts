import type { AudienceColumns } from './audience-columns';
import { readRow, type AudienceRecipient } from './audience-rows';
import type { ComposedMessage } from './campaign-messages';
import { addressKind, type Channel } from './channels';
import { RegenteError } from './errors';

/** Whose message a test shows, as the caller wrote it. */
export interface TestPerson {
  nome?: string | undefined;
  cpfCnpj?: string | undefined;
  idcobContrato?: string | undefined;
  customMessage?: string | undefined;
  variables: Readonly<Record<string, string>>;
}

const FIELDS = ['nome', 'cpfCnpj', 'idcobContrato', 'customMessage'] as const;
const POINTERS = ['/to', ...FIELDS.map((field) => `/recipient/${field}`)];

/**
 * Reads the address and the values of a test as a row of an audience is read, so that what passes here passes there.
 * Throws VALIDATION with a pointer to what does not.
 */
export function testRecipient(
  to: string,
  person: TestPerson | undefined,
  options: { channel: Channel; companyTimeZone: string },
): AudienceRecipient {
  const { variables, ...fields }: TestPerson = person ?? { variables: {} };
  const names = Object.keys(variables);
  const kind = addressKind(options.channel);
  const columns: AudienceColumns = {
    headers: ['to', ...FIELDS, ...names],
    fields: { [kind]: 0, nome: 1, cpfCnpj: 2, idcobContrato: 3, customMessage: 4 },
    areaCode: null,
    cnpj: null,
    variables: names.map((name, i) => ({ index: i + 1 + FIELDS.length, name })),
  };
  const cells = [to, ...FIELDS.map((field) => fields[field] ?? ''), ...Object.values(variables)];
  const row = readRow(cells, 1, columns, { ...options, defaultCountry: 'BR' });
  if (row.ok) return row.recipient;
  const at = columns.headers.indexOf(row.reject.column ?? 'to');
  const pointer = POINTERS[at] ?? `/recipient/variables/${row.reject.column ?? ''}`;
  throw new RegenteError('VALIDATION', `Not valid: ${pointer}.`, {
    fields: [{ pointer, detail: row.reject.reason }],
  });
}

/** Throws VALIDATION for a test that would leave a hole in its text; answers the text otherwise. */
export function requireText(composed: ComposedMessage): string {
  if (composed.ok) return composed.text;
  const pointer = `/recipient/variables/${composed.missing}`;
  throw new RegenteError('VALIDATION', `The message needs a value for ${composed.missing}.`, {
    fields: [{ pointer, detail: 'is needed by the message' }],
  });
}
