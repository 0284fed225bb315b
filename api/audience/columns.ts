import type { ZodError } from 'zod';
import { AUDIENCE_FIELDS, type ColumnMapping, type MappedBy } from '../../domain/audience-columns';
import { ColumnMappingInput } from '../../domain/audiences.schema';
import { RegenteError } from '../../domain/errors';
import type { AppContext } from '../context';
import { validationError } from '../errors';

/** Which columns the caller names, and by which query parameter each. */
export interface GivenMapping {
  mapping: ColumnMapping;
  mappedBy: MappedBy;
}

/**
 * Which columns the caller names, as `mapping={"phone":"Tel 2"}` or `map[phone]=Tel 2`. Throws VALIDATION, which points at
 * the parameter that was sent.
 * @param json the query parameter `mapping`
 */
export function mappingOf(c: AppContext, json: string | undefined): GivenMapping {
  const given: Record<string, unknown> = {};
  const mappedBy: MappedBy = {};
  if (json !== undefined) Object.assign(given, parseMapping(json));
  refuseUnknown(Object.keys(given));
  for (const field of AUDIENCE_FIELDS) {
    const alone = `map[${field}]`;
    const column = c.req.query(alone);
    mappedBy[field] = column === undefined ? 'mapping' : alone;
    if (column !== undefined) given[field] = column;
  }
  const parsed = ColumnMappingInput.safeParse(given);
  if (!parsed.success) throw refusal(parsed.error, mappedBy);
  return { mapping: parsed.data, mappedBy };
}

/** Of `mapping`, before the schema, which could not say which fields there are; `map[…]` is checked with the query. */
function refuseUnknown(names: readonly string[]): void {
  const known: readonly string[] = AUDIENCE_FIELDS;
  const fields = names
    .filter((name) => !known.includes(name))
    .map((name) => ({
      pointer: '/query/mapping',
      detail: `${JSON.stringify(name.slice(0, 80))} is no field of an audience; those are ${known.join(', ')}`,
    }));
  if (fields.length === 0) return;
  const details = fields.map(({ detail }) => detail).join('; ');
  throw new RegenteError('VALIDATION', `Not valid: /query/mapping: ${details}.`, { fields });
}

/** Points at the parameter that named the column. */
function refusal(error: ZodError, mappedBy: Readonly<Record<string, string>>): RegenteError {
  const issues = error.issues.map(({ path: [field, ...rest], ...issue }) => ({
    ...issue,
    path: [mappedBy[String(field)] ?? 'mapping', ...rest],
  }));
  return validationError({ issues }, 'query');
}

function parseMapping(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Refused below, as anything else that is no object.
  }
  throw new RegenteError('VALIDATION', 'mapping is not a JSON object.', {
    fields: [{ pointer: '/query/mapping', detail: 'must be JSON such as {"phone":"Tel 2"}' }],
  });
}
