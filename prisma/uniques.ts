import { RegenteError } from '../domain/errors';
import { Prisma } from './generated/client';

/** Names the field whose value another row already has; the database alone says only that there is one. */
export async function unlessTaken<T>(
  { pointer, message }: { pointer: string; message: string },
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const taken = error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
    if (!taken) throw error;
    throw new RegenteError('CONFLICT', message, {
      fields: [{ pointer, detail: 'is taken' }],
      cause: error,
    });
  }
}
