import type { AudienceColumns } from './audience-columns';
import { ROW_REFUSALS } from './audience-refusals';
import { readRow, type AudienceRecipient } from './audience-rows';
import type { ComposedMessage } from './campaign-messages';
import { addressKind, type Channel } from './channels';
import { normalizeName } from './column-names';
import { RegenteError } from './errors';
import { nextAllowed, type QuietHours } from './send-windows';

/** In any 24 hours: enough to look at texts on several phones, far too few to be a campaign. */
export const MAX_TEST_SENDS = { campaign: 20, person: 40 } as const;
const PERIOD_MS = 24 * 3_600_000;

/**
 * Throws RATE_LIMITED where one more test would be too many.
 * @param madeAt when the last tests of the campaign or the person were made, the latest first
 */
export function requireTestLeft(
  whose: keyof typeof MAX_TEST_SENDS,
  madeAt: readonly Date[],
  nowMs: number,
): void {
  const maxTestSends = MAX_TEST_SENDS[whose];
  const blocking = madeAt[maxTestSends - 1];
  const freeMs = blocking === undefined ? 0 : blocking.getTime() + PERIOD_MS;
  if (freeMs <= nowMs) return;
  const availableAt = new Date(freeMs).toISOString();
  const message = {
    campaign: `This campaign has had its ${maxTestSends} test sends of 24 hours; the next is possible at ${availableAt}.`,
    person: `You have had your ${maxTestSends} test sends of 24 hours, of all campaigns and API keys together; the next is possible at ${availableAt}, or let a colleague send it.`,
  };
  throw new RegenteError('RATE_LIMITED', message[whose], {
    details: { maxTestSends, availableAt },
    retryAfterMs: freeMs - nowMs,
  });
}

/** A test that has not gone out by then never does: nobody wants it at eight the next morning. */
export const TEST_LIFE_MS = 10 * 60_000;

/** Throws CONFLICT for a test that would be over before the company's quiet hours are. */
export function requireAwake(quiet: QuietHours | null, zone: string, nowMs: number): void {
  const endsMs = nextAllowed(nowMs, zone, null, quiet);
  if (quiet === null || endsMs === null || endsMs < nowMs + TEST_LIFE_MS) return;
  throw new RegenteError(
    'CONFLICT',
    `The company's quiet hours last until ${quiet.end} (${zone}); nothing is sent before.`,
    { details: { availableAt: new Date(endsMs).toISOString() } },
  );
}

/** Whose values a test shows, as the caller wrote them. */
export interface TestPerson {
  nome?: string | undefined;
  cpfCnpj?: string | undefined;
  idcobContrato?: string | undefined;
  variables: Readonly<Record<string, string>>;
}

const FIELDS = ['nome', 'cpfCnpj', 'idcobContrato'] as const;
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
    fields: { [kind]: 0, nome: 1, cpfCnpj: 2, idcobContrato: 3 },
    areaCode: null,
    cnpj: null,
    variables: names.map((name, i) => ({
      index: i + 1 + FIELDS.length,
      name: normalizeName(name),
    })),
  };
  const cells = [to, ...FIELDS.map((field) => fields[field] ?? ''), ...Object.values(variables)];
  const row = readRow(cells, 1, columns, { ...options, defaultCountry: 'BR' });
  if (row.ok) return row.recipient;
  const at = columns.headers.indexOf(row.reject.column ?? 'to');
  const pointer = POINTERS[at] ?? `/recipient/variables/${row.reject.column ?? ''}`;
  throw new RegenteError('VALIDATION', `Not valid: ${pointer}.`, {
    fields: [{ pointer, detail: ROW_REFUSALS[row.reject.reason] }],
  });
}

/** Throws VALIDATION for a test that would leave a hole in its text; answers the text otherwise. */
export function requireText(composed: ComposedMessage): string {
  if (composed.ok) return composed.text;
  if (composed.missing === 'mensagem') {
    const detail =
      'is needed: there is no template, and no message of their own of the first person';
    throw new RegenteError('VALIDATION', 'The campaign has no text to test.', {
      fields: [{ pointer: '/baseMessage', detail }],
    });
  }
  const pointer = `/recipient/variables/${composed.missing}`;
  throw new RegenteError('VALIDATION', `The message needs a value for ${composed.missing}.`, {
    fields: [{ pointer, detail: 'is needed by the message' }],
  });
}
