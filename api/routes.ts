import { createRoute, OpenAPIHono, z, type RouteConfig } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import type { Permission } from '../domain/permissions';
import { loggedIn, requirePermission } from './auth';
import type { AppEnv } from './context';
import { Problem, validationError } from './errors';
import { idempotent } from './write';

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
  429: problem('Too many requests'),
  503: problem('Database or engine not available'),
} as const;

const WRITES = new Set(['post', 'put', 'patch', 'delete']);

/**
 * A route of the API: `createRoute` plus what every route of ours has: the permission that it asks for (also shown
 * in the document as `x-permission`), `Idempotency-Key` on writes, and the problem answers.
 */
export function defineRoute<const R extends Omit<RouteConfig, 'tags'> & { tags: string[] }>(
  permission: Permission | 'anyone' | 'logged-in',
  config: R,
) {
  const open = permission === 'anyone';
  const guards: MiddlewareHandler<AppEnv>[] = open ? [] : [loggedIn()];
  if (permission !== 'anyone' && permission !== 'logged-in')
    guards.push(requirePermission(permission));
  if (WRITES.has(config.method) && !open) guards.push(idempotent());
  const route = createRoute(config);
  Object.assign(route, {
    responses: { ...config.responses, ...PROBLEMS },
    middleware: guards,
    security: open ? [] : [{ bearer: [] }],
    'x-permission': permission,
  });
  return route;
}

/** A router of one domain; bad input becomes one VALIDATION problem that names the fields. */
export function createRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw validationError(result.error, result.target);
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
