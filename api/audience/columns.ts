import type { ZodError } from 'zod';
import { AUDIENCE_FIELDS, type ColumnMapping } from '../../domain/audience-columns';
import { ColumnMappingInput } from '../../domain/audiences.schema';
import { RegenteError } from '../../domain/errors';
import type { AppContext } from '../context';
import { jsonPointer, validationError } from '../errors';

/**
 * Which columns the caller names, as `mapping={"phone":"Tel 2"}` or `map[phone]=Tel 2`. Throws VALIDATION.
 * @param mapping the query parameter of that name
 */
export function mappingOf(c: AppContext, mapping: string | undefined): ColumnMapping {
  const given: Record<string, unknown> = {};
  if (mapping !== undefined) Object.assign(given, parseMapping(mapping));
  for (const field of AUDIENCE_FIELDS) {
    const column = c.req.query(`map[${field}]`);
    if (column !== undefined) given[field] = column;
  }
  refuseUnknown(Object.keys(given));
  const parsed = ColumnMappingInput.safeParse(given);
  if (!parsed.success) throw refusal(parsed.error);
  return parsed.data;
}

/** Before the schema, which could not say which fields there are. */
function refuseUnknown(names: readonly string[]): void {
  const known: readonly string[] = AUDIENCE_FIELDS;
  const detail = `is no field of an audience; those are ${known.join(', ')}`;
  const fields = names
    .filter((name) => !known.includes(name))
    .map((name) => ({ pointer: jsonPointer(['query', `map[${name.slice(0, 80)}]`]), detail }));
  if (fields.length === 0) return;
  const pointers = fields.map(({ pointer }) => pointer).join(', ');
  throw new RegenteError('VALIDATION', `Not valid: ${pointers}. Fields are ${known.join(', ')}.`, {
    fields,
  });
}

/** Points at the parameter of the field, by which it can be named alone, also where `mapping` named it. */
function refusal(error: ZodError): RegenteError {
  const issues = error.issues.map(({ path: [field, ...rest], ...issue }) => ({
    ...issue,
    path: [`map[${String(field)}]`, ...rest],
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
