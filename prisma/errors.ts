import { RegenteError } from '../domain/errors';
import { Prisma } from './generated/client';

/** System errors, and SQLSTATEs of a server that ends, has no room, or ran out of time: it cannot be used right now. */
const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '53100',
  '53200',
  '25P03',
  '25P04',
  '57014',
]);

/** Two that stood in each other's way: a deadlock, a failed serialization, a lock that was waited for too long. */
const CONTENTION = new Set(['40P01', '40001', '55P03']);

/** Class 08 is about the connection, whatever the rest says. */
const isUnavailable = (state: string): boolean =>
  UNAVAILABLE.has(state) || /^08[0-9A-Z]{3}$/.test(state);

/** The driver's errors about a connection that is gone have no code, only these texts. */
const DRIVER_UNAVAILABLE = new Set([
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
]);

const PRISMA_UNAVAILABLE = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
]);

/**
 * Turns what the driver or Prisma threw into a RegenteError where the cause is known; anything else stays itself, but
 * for what Prisma says about a wrong call, which shows the values of that call.
 */
export function fromDatabase(error: unknown): unknown {
  if (error instanceof RegenteError) return error;
  if (error instanceof Prisma.PrismaClientValidationError) return withoutValues(error);
  if (error instanceof Error && DRIVER_UNAVAILABLE.has(error.message)) return unavailable(error);
  const state = sqlState(error);
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    if (error.code === 'P2002') return conflict('Another entry already has this value.', error);
    if (error.code === 'P2003')
      return conflict('It is in use, or refers to something that is not there.', error);
    if (error.code === 'P2025')
      return new RegenteError('NOT_FOUND', 'There is no such entry.', { cause: error });
    if (error.code === 'P2034') return contention(error);
    if (PRISMA_UNAVAILABLE.has(error.code)) return unavailable(error);
  }
  switch (state) {
    case '23505':
      return conflict('Another entry already has this value.', error);
    case '23503':
      return conflict('It is in use, or refers to something that is not there.', error);
    case '23514':
      return conflict('The change would break a rule of the database.', error);
    case '22021':
    case '22P05':
      return new RegenteError(
        'VALIDATION',
        'A text contains a character that cannot be stored (U+0000).',
        { cause: error },
      );
    default:
      if (state === undefined) return error;
      if (CONTENTION.has(state)) return contention(error);
      return isUnavailable(state) ? unavailable(error) : error;
  }
}

/** A mistake of ours: the whole call stands in the message, and what is wrong with it in the last line. */
function withoutValues({ name, message, stack = '' }: Error): Error {
  return withFrames(new Error(message.trim().split('\n').at(-1)), name, stack);
}

/**
 * An error as it may leave the process: where database or driver have thrown, texts show the values of rows, so only
 * our own messages, the class, the code and the frames are kept down the chain of causes. Any other error stays itself.
 */
export function withoutDriverTexts(error: unknown): unknown {
  const isDriverError =
    error instanceof RegenteError ||
    sqlState(error) !== undefined ||
    error instanceof Prisma.PrismaClientKnownRequestError ||
    error instanceof Prisma.PrismaClientUnknownRequestError;
  return isDriverError ? bare(error) : error;
}

function bare(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, stack = '', cause } = error;
  const code = sqlState(error) ?? (error as { code?: unknown }).code;
  const kept = new Error(error instanceof RegenteError ? error.message : String(code), {
    cause: bare(cause),
  });
  return withFrames(kept, name, stack);
}

/** Of a stack only the frames: its head is the message. */
function withFrames(error: Error, name: string, stack: string): Error {
  error.name = name;
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  error.stack = [`${name}: ${error.message}`, ...frames].join('\n');
  return error;
}

const conflict = (message: string, cause: unknown): RegenteError =>
  new RegenteError('CONFLICT', message, { cause });

const unavailable = (cause: unknown): RegenteError =>
  new RegenteError('UNAVAILABLE', 'The database does not answer.', {
    details: { component: 'database' },
    retryAfterMs: 2_000,
    cause,
  });

const contention = (cause: unknown): RegenteError =>
  new RegenteError('UNAVAILABLE', 'Somebody else is changing the same entries; try again.', {
    details: { component: 'database' },
    retryAfterMs: 1_000,
    cause,
  });

/** What is left of a system error behind Prisma's adapter. */
const BROKEN_SOCKETS: ReadonlyMap<string, string> = new Map([
  ['SocketTimeout', 'ETIMEDOUT'],
  ['ConnectionClosed', 'ECONNRESET'],
  ['DatabaseNotReachable', 'ECONNREFUSED'],
]);

/** The SQLSTATE or the system error code of whatever was thrown, looked for down the chain of causes. */
export function sqlState(error: unknown): string | undefined {
  for (
    let at: unknown = error, depth = 0;
    typeof at === 'object' && at !== null && depth < 6;
    depth += 1
  ) {
    const fields = at as {
      code?: unknown;
      originalCode?: unknown;
      cause?: unknown;
      kind?: unknown;
      meta?: unknown;
    };
    // Our own codes are no SQLSTATEs; what the database said is their cause.
    const code = at instanceof RegenteError ? undefined : (fields.originalCode ?? fields.code);
    if (typeof code === 'string' && !/^P\d{4}$/.test(code)) return code;
    const broken = typeof fields.kind === 'string' ? BROKEN_SOCKETS.get(fields.kind) : undefined;
    if (broken !== undefined) return broken;
    const meta = fields.meta as { driverAdapterError?: unknown; code?: unknown } | undefined;
    if (typeof meta?.code === 'string') return meta.code;
    at = meta?.driverAdapterError ?? fields.cause;
  }
  return undefined;
}
