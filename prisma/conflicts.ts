import { notFound, RegenteError } from '../domain/errors';
import { Prisma } from './generated/client';

/**
 * Waits for a write and says which value was taken already.
 * @throws CONFLICT with a pointer to the field
 */
export async function unlessTaken<T>(
  written: Promise<T>,
  { message, pointer }: { message: string; pointer: string },
): Promise<T> {
  try {
    return await written;
  } catch (error) {
    if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002')
      throw error;
    const fields = [{ pointer, detail: 'is taken' }];
    throw new RegenteError('CONFLICT', message, { fields, cause: error });
  }
}

/** What a field `<entity>Id` names is not there: row-level security hides another company's, so they are not found either. */
export function unknownReference(entity: 'wallet' | 'broker' | 'template'): RegenteError {
  const { code, message } = notFound(entity);
  return new RegenteError(code, message, {
    fields: [{ pointer: `/${entity}Id`, detail: `is no ${entity} of this company` }],
  });
}

/**
 * Refuses to delete what is in use and names the kinds that use it. A use that begins at the same moment is
 * refused by the foreign key instead.
 * @param usedBy how many of each kind, by the plural of its name
 */
export function refuseInUse(entity: string, usedBy: Readonly<Record<string, number>>): void {
  const uses = Object.entries(usedBy).filter(([, count]) => count > 0);
  if (uses.length === 0) return;
  const list = uses.map(([kind, count]) => `${count} ${count === 1 ? kind.slice(0, -1) : kind}`);
  throw new RegenteError('CONFLICT', `The ${entity} is in use by ${list.join(' and ')}.`, {
    details: { usedBy: Object.fromEntries(uses) },
  });
}
