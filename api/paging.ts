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
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, 'base64url').toString('latin1');
  if (!UUID.test(id)) {
    throw new RegenteError('VALIDATION', 'cursor is not one that a list gave out.', {
      fields: [{ pointer: 'cursor', detail: 'not a cursor of this API' }],
    });
  }
  return id;
}

/** Prisma arguments for one page by descending id (uuidv7: newest first); one row more tells whether there is a next page. */
export function pageArgs(query: z.infer<typeof PageQuery>) {
  const after = readCursor(query.cursor);
  return {
    take: query.limit + 1,
    orderBy: { id: 'desc' as const },
    after: after === undefined ? {} : { id: { lt: after } },
  };
}

/** Cuts the extra row off and turns it into the cursor. */
export function page<T extends { id: string }, U>(
  rows: T[],
  limit: number,
  show: (row: T) => U,
): { items: U[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined
      ? Buffer.from(last.id, 'latin1').toString('base64url')
      : null;
  return { items: items.map(show), nextCursor };
}
