import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { RegenteError, type FieldError } from '../domain/errors';
import type { AppContext, AppEnv } from './context';
import { jsonPointer } from './errors';
import { placesIn, pointerTo } from './json-places';
import { sendsJson } from './uploads';

/** The escapes of what is refused here: everything else that JSON can write is kept as it is. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i;
const HALF_PAIR = /\p{Surrogate}/u;
/** Enough to mend a body by; each pointer may be as long as the body is deep. */
const MOST_FIELDS = 10;

const NUL = 'contains U+0000, which cannot be stored';
const HALF = 'contains half of a surrogate pair, which is no character';

/**
 * Refuses what could not be stored as it was sent: JSON that is not UTF-8, and texts with U+0000 or half a surrogate
 * pair, in such a body or in the query. Where a route takes files, U+0000 in a list is left to whoever reads its rows,
 * as that in a file is.
 */
export function readableText({
  takesJson,
  takesFiles,
}: {
  takesJson: boolean;
  takesFiles: boolean;
}): MiddlewareHandler<AppEnv> {
  const wrongWith = (text: string): string | undefined => {
    if (HALF_PAIR.test(text)) return HALF;
    return !takesFiles && text.includes('\0') ? NUL : undefined;
  };
  return createMiddleware<AppEnv>(async (c, next) => {
    const fields = wrongQueries(c);
    if (takesJson && sendsJson(c)) fields.push(...wrongTexts(await readJson(c), wrongWith));
    if (fields.length === 0) return next();
    const names = fields.map(({ pointer }) => pointer || 'body').join(', ');
    throw new RegenteError('VALIDATION', `Not readable as text: ${names}.`, { fields });
  });
}

function wrongQueries(c: AppContext): FieldError[] {
  if (!c.req.url.includes('%00')) return [];
  return Object.entries(c.req.queries())
    .filter(([, values]) => values.some((value) => value.includes('\0')))
    .map(([name]) => ({ pointer: `/query${jsonPointer([name])}`, detail: NUL }));
}

/** The body, if it can hold anything that is refused here; what is no JSON at all is refused by the route. */
async function readJson(c: AppContext): Promise<unknown> {
  const text = decode(await c.req.arrayBuffer());
  if (!SUSPECT.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function decode(body: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new RegenteError('VALIDATION', 'The body is not valid UTF-8.', {
      fields: [{ pointer: '', detail: 'is not valid UTF-8' }],
    });
  }
}

function wrongTexts(body: unknown, wrongWith: (text: string) => string | undefined): FieldError[] {
  const fields: FieldError[] = [];
  for (const place of placesIn(body)) {
    const { value, key } = place;
    const detail = wrongWith(key) ?? (typeof value === 'string' ? wrongWith(value) : undefined);
    if (detail !== undefined) fields.push({ pointer: pointerTo(place), detail });
    if (fields.length === MOST_FIELDS) break;
  }
  return fields;
}
