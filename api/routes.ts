import { createRoute, OpenAPIHono, z, type RouteConfig } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import type { Permission } from '../domain/permissions';
import { loggedIn, requirePermission, self } from './auth';
import { limitBody } from './body-limit';
import type { AppEnv } from './context';
import { Problem, validationError } from './errors';
import { idempotent, IDEMPOTENCY_KEY_PATTERN } from './idempotency';
import { readableText } from './readable-text';

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Problem } },
});

/** Answers that every route can give; the reference page shows them once per route. */
export const PROBLEMS = {
  400: problem('Not valid; `errors` points at each field'),
  401: problem('Not logged in'),
  403: problem('Not allowed'),
  404: problem('Not found, or not of this company'),
  409: problem('Not possible in the present state'),
  413: problem('Too large'),
  415: problem('Another Content-Type is needed'),
  429: problem('Too many requests'),
  503: problem(
    'Not available right now, mostly the database; `Retry-After` says when to try again',
  ),
} as const;

/** For the responses of routes that read people whose months may be archived. */
export const MAY_BE_ARCHIVED = {
  410: problem(
    'Code `ARCHIVED`: people of this campaign are archived; `archivedMonths` names the months',
  ),
} as const;

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  description:
    'For 24 hours, a request that has succeeded is answered with its first answer when it is repeated with the same key, ' +
    'and not carried out again. While the first one runs, its repetition is a 409, but a pause or a cancel is carried ' +
    'out again. A refused request is not kept, and another request with the key is a 409.',
  schema: { type: 'string' as const, pattern: IDEMPOTENCY_KEY_PATTERN.source },
};
const X_COMPANY = {
  name: 'X-Company',
  in: 'header' as const,
  description: 'Only for an ADMIN: the slug or id of the company to act in.',
  schema: { type: 'string' as const },
};

const WRITES = new Set(['post', 'put', 'patch', 'delete']);

/** What a route of ours says of itself; clients are made from `operationId`, so it is unique and stays. */
type RouteOfOurs = Omit<RouteConfig, 'tags' | 'operationId' | 'summary'> & {
  tags: string[];
  operationId: string;
  /** What it does, in one short sentence. */
  summary: string;
};

/**
 * A route of the API: `createRoute` plus what every route of ours has: the permission that it asks for (also shown
 * in the document as `x-permission`), a limit of the body and `Idempotency-Key` on writes, `X-Company`, a query without
 * unknown parameters, texts that can be stored, and the problem answers. Instead of a permission:
 * `self` is for people about their own account (no API keys, always in their own company), `logged-in` for whoever
 * has a token, `anyone` for those who have none yet.
 * @param options.urgent for writes whose repetition must not wait until a dead first one is missed
 */
export function defineRoute<const R extends RouteOfOurs>(
  permission: Permission | 'anyone' | 'logged-in' | 'self',
  config: R,
  { urgent = false }: { urgent?: boolean } = {},
) {
  const open = permission === 'anyone';
  const repeatable = WRITES.has(config.method) && !open;
  const content = Object.keys(config.request?.body?.content ?? {});
  const takesFiles = content.some((type) => type !== 'application/json');
  // Before a body is read: of who may not send it, nothing is kept.
  const guards: MiddlewareHandler<AppEnv>[] = open ? [] : [guardOf(permission)];
  if (WRITES.has(config.method)) guards.push(limitBody({ takesFiles }));
  const takesJson = content.includes('application/json');
  guards.push(readableText({ takesJson, takesFiles }));
  if (repeatable) guards.push(idempotent({ urgent, takesFiles }));
  const route = createRoute(config);
  Object.assign(route, {
    request: { ...config.request, query: knownOnly(config.request?.query) },
    parameters: [
      ...(repeatable ? [IDEMPOTENCY_KEY] : []),
      ...(open || permission === 'self' ? [] : [X_COMPANY]),
    ],
    responses: { ...config.responses, ...PROBLEMS },
    middleware: guards,
    security: open ? [] : [{ bearer: [] }],
    'x-permission': permission,
  });
  return route;
}

/** Refuses parameters that a route does not know, as unknown fields of a body, unless its schema says otherwise itself. */
function knownOnly(query: z.ZodType = z.object({})): z.ZodType {
  if (!(query instanceof z.ZodObject) || query.def.catchall !== undefined) return query;
  const names = Object.keys(query.shape).join(', ');
  const error = `is not known here; this route takes ${names || 'no parameters'}`;
  return z.strictObject(query.shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? error : undefined),
  });
}

function guardOf(permission: Permission | 'logged-in' | 'self'): MiddlewareHandler<AppEnv> {
  switch (permission) {
    case 'logged-in':
      return loggedIn();
    case 'self':
      return self();
    default:
      return requirePermission(permission);
  }
}

/** A router of one domain; bad input becomes one VALIDATION problem that names the fields. */
export function createRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result, c) => {
      if (result.success) return;
      const isRepeated = (parameter: string): boolean =>
        (c.req.queries(parameter)?.length ?? 0) > 1;
      throw validationError(result.error, result.target, isRepeated);
    },
  });
}

export const IdParam = z.object({ id: z.uuid().openapi({ param: { name: 'id', in: 'path' } }) });

/** A JSON answer of this schema. */
export function json<S extends z.ZodType>(schema: S, description: string) {
  return { description, content: { 'application/json': { schema } } } as const;
}

/** A JSON body of this schema, required. */
export function jsonBody<S extends z.ZodType>(schema: S) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

/** The same, and it may be left out; it is then read as `{}`. */
export function optionalBody<S extends z.ZodType>(schema: S) {
  return { required: false, content: { 'application/json': { schema } } } as const;
}
