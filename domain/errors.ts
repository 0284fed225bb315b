/** Every way in which Regente refuses or fails; `api/errors.ts` maps them to HTTP, `activities/errors.ts` to the engine. */
export type ErrorCode =
  | 'VALIDATION'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'CONFLICT'
  | 'ARCHIVED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA'
  | 'RATE_LIMITED'
  | 'BUDGET_EXCEEDED'
  | 'CONFIGURATION'
  | 'UNAVAILABLE'
  | 'INTERNAL';

/**
 * What is wrong with one field. `pointer` is an RFC 6901 JSON pointer: `/name` is a field of the body, `/query/limit`,
 * `/path/id` and `/header/x-company` are in the other parts of a request; empty is the body itself.
 */
export interface FieldError {
  pointer: string;
  detail: string;
}

export interface RegenteErrorOptions {
  fields?: FieldError[];
  /** Extra members of the problem document: small, without secrets or personal data. */
  details?: Record<string, unknown>;
  retryAfterMs?: number;
  cause?: unknown;
}

/** The one error class. `message` is written for the person who can do something about it. */
export class RegenteError extends Error {
  override readonly name = 'RegenteError';
  readonly code: ErrorCode;
  readonly fields: FieldError[];
  readonly details: Record<string, unknown>;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: RegenteErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

export const notFound = (entity: string): RegenteError =>
  new RegenteError('NOT_FOUND', `There is no ${entity} with this id.`);
