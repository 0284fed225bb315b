import { z } from '@hono/zod-openapi';
import { RegenteError } from '../domain/errors';

/** Query parameters of every list: newest first, a keyset cursor, at most 200 a page. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
});

/** What a list answers: `nextCursor` is null on the last page. */
export function pageOf<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id after which the page begins. Throws VALIDATION for a cursor that no list gave out. */
export function readCursor(cursor: string | undefined): string | undefined {
  return readPlace(cursor, UUID)?.[0];
}

/**
 * What `pattern` finds in a cursor of a list that is not in the order of ids; null for the first page. Throws
 * VALIDATION for a cursor that such a list has not given out.
 */
export function readPlace(cursor: string | undefined, pattern: RegExp): RegExpExecArray | null {
  if (cursor === undefined) return null;
  const place = pattern.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (place !== null) return place;
  throw new RegenteError(
    'VALIDATION',
    'This cursor is not one that this list gave out; begin without one.',
    { fields: [{ pointer: '/query/cursor', detail: 'is not a cursor of this list' }] },
  );
}

/** The cursor of a place in ASCII. */
export const writePlace = (place: string): string =>
  Buffer.from(place, 'latin1').toString('base64url');

/** Prisma arguments for one page by descending id (uuidv7: newest first); one row more tells whether there is a next page. */
export function pageArgs(query: z.infer<typeof PageQuery>) {
  const after = readCursor(query.cursor);
  return {
    take: query.limit + 1,
    orderBy: { id: 'desc' as const },
    after: after === undefined ? {} : { id: { lt: after } },
  };
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Cuts the extra row off; there is a next page where there was one. */
export function page<T extends { id: string }, U>(
  rows: T[],
  limit: number,
  show: (row: T) => U,
): Page<U> {
  return pageBy(rows, limit, show, (row) => row.id);
}

/** The same for rows whose place in the list is not their own id. */
export function pageBy<T, U>(
  rows: T[],
  limit: number,
  show: (row: T) => U,
  placeOf: (row: T) => string,
): Page<U> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? writePlace(placeOf(last)) : null;
  return { items: items.map(show), nextCursor };
}
