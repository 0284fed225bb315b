import type { Context, ValidationTargets } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from '@hono/zod-openapi';
import type { ZodError } from 'zod';
import { RegenteError, type ErrorCode, type FieldError } from '../domain/errors';
import { fromDatabase, withoutDriverTexts } from '../prisma/errors';
import type { Logger } from '../telemetry';
import type { AppEnv } from './context';
import { routeOf } from './request-log';

/** The one map from our codes to HTTP. */
const STATUS: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  VALIDATION: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  ARCHIVED: 410,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA: 415,
  RATE_LIMITED: 429,
  BUDGET_EXCEEDED: 409,
  CONFIGURATION: 500,
  UNAVAILABLE: 503,
  INTERNAL: 500,
};

/** RFC 9457. `code` is stable; `errors` points at each wrong field, as `FieldError` says. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    requestId: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .catchall(z.unknown())
  .openapi('Problem');

/** What is answered, before it is anybody's response object. */
export interface PlainAnswer {
  status: ContentfulStatusCode;
  headers: Record<string, string>;
  body: string;
}

/** Whatever was thrown as a problem document; what nobody foresaw is logged and told as INTERNAL. */
export function problemOf(
  thrown: unknown,
  { requestId, route, logger }: { requestId: string; route: string; logger: Logger },
): PlainAnswer {
  const error = asRegenteError(thrown);
  if (isOurs(error)) logger.error({ err: loggable(thrown), requestId, route }, 'request failed');
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (error.retryAfterMs !== undefined)
    headers['Retry-After'] = String(Math.ceil(error.retryAfterMs / 1_000));
  if (error.code === 'UNAUTHENTICATED') headers['WWW-Authenticate'] = 'Bearer';
  const status = STATUS[error.code];
  const body = JSON.stringify({
    ...error.details,
    type: `https://regente.dev/problems/${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: TITLES[error.code],
    status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.fields.length > 0 ? { errors: error.fields } : {}),
  });
  return { status, headers, body };
}

/** Faults of the program or of its configuration; all else is the request's, or will pass. */
const isOurs = ({ code }: RegenteError): boolean => code === 'INTERNAL' || code === 'CONFIGURATION';

/** At which level it is logged that an answer failed that had begun. */
export const levelOf = (thrown: unknown): 'error' | 'warn' =>
  isOurs(asRegenteError(thrown)) ? 'error' : 'warn';

/** What may be logged of whatever was thrown: nothing of what drivers say about rows. */
export const loggable = (thrown: unknown): unknown => withoutDriverTexts(fromDatabase(thrown));

/** Answers with the problem. */
export function answerError(thrown: unknown, c: Context<AppEnv>, logger: Logger): Response {
  const facts = { requestId: c.get('requestId'), route: routeOf(c), logger };
  const { status, headers, body } = problemOf(thrown, facts);
  return c.body(body, status, headers);
}

const TITLES: Readonly<Record<ErrorCode, string>> = {
  VALIDATION: 'The request is not valid',
  UNAUTHENTICATED: 'Not logged in',
  FORBIDDEN: 'Not allowed',
  NOT_FOUND: 'Not found',
  METHOD_NOT_ALLOWED: 'Another method is needed',
  CONFLICT: 'Not possible in the present state',
  ARCHIVED: 'No longer kept here',
  PAYLOAD_TOO_LARGE: 'Too large',
  UNSUPPORTED_MEDIA: 'This kind of content is not accepted',
  RATE_LIMITED: 'Too many requests',
  BUDGET_EXCEEDED: 'The budget does not cover this',
  CONFIGURATION: 'The service is not configured for this',
  UNAVAILABLE: 'Not available right now',
  INTERNAL: 'Unexpected error',
};

function asRegenteError(thrown: unknown): RegenteError {
  const error = fromDatabase(thrown);
  if (error instanceof RegenteError) return error;
  if (error instanceof HTTPException) {
    if (error.status === 413)
      return new RegenteError('PAYLOAD_TOO_LARGE', 'The body is larger than this route accepts.');
    if (error.status === 415)
      return new RegenteError(
        'UNSUPPORTED_MEDIA',
        'This route takes another Content-Type; /docs says which.',
      );
    if (error.status === 400)
      return new RegenteError('VALIDATION', 'The body is not valid JSON.', {
        fields: [{ pointer: '', detail: 'is not valid JSON' }],
      });
  }
  return new RegenteError(
    'INTERNAL',
    'Something failed that should not; the request id finds it in the log.',
    { cause: error },
  );
}

/** Where pointers into each part of a request begin, by hono's names of the parts. */
const POINTER_ROOTS: Readonly<Record<keyof ValidationTargets, string>> = {
  json: '',
  form: '',
  query: '/query',
  param: '/path',
  header: '/header',
  cookie: '/cookie',
};

/**
 * A zod error as one RegenteError that names every field.
 * @param isRepeated whether a query parameter that takes one value was given several
 */
export function validationError(
  error: Pick<ZodError, 'issues'>,
  where: keyof ValidationTargets,
  isRepeated: (parameter: string) => boolean = () => false,
): RegenteError {
  const fields: FieldError[] = error.issues.flatMap((issue) => {
    const pointerTo = (path: readonly PropertyKey[]): string =>
      POINTER_ROOTS[where] + jsonPointer(path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: pointerTo([...issue.path, key]),
        detail: where === 'query' ? issue.message : 'is not a known field',
      }));
    }
    const repeated =
      where === 'query' && issue.path.length === 1 && isRepeated(String(issue.path[0]));
    const detail = repeated ? 'is given more than once' : issue.message;
    return [{ pointer: pointerTo(issue.path), detail }];
  });
  const names = fields.map((field) => field.pointer || 'body').join(', ');
  return new RegenteError('VALIDATION', `Not valid: ${names}.`, { fields });
}

/** RFC 6901. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path
    .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}
