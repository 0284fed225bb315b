import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import type { Logger } from '../telemetry';
import { httpRequestSeconds } from '../telemetry/metrics';
import { TRACE_HEADER, traced } from '../telemetry/traces';
import type { AppContext, AppEnv } from './context';

/** What supervises asks every few seconds. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/**
 * One line and one measurement a request. The route's pattern stands for the path, which holds ids and the secret parts
 * of webhooks; nothing that was sent or answered is written down.
 */
export function logRequests(logger: Logger) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const startedMs = performance.now();
    const { method } = c.req;
    if (PROBES.has(c.req.path)) await next();
    else await traceRequest(c, next);
    const ms = performance.now() - startedMs;
    const route = routeOf(c);
    const { status } = c.res;
    httpRequestSeconds.observe(
      { method, route, status: `${Math.floor(status / 100)}xx` },
      ms / 1_000,
    );
    const line = {
      method,
      route,
      status,
      ms: Math.round(ms),
      requestId: c.get('requestId'),
      actorId: c.get('actor')?.id,
    };
    if (PROBES.has(route)) logger.debug(line, 'request');
    else logger.info(line, 'request');
  });
}

function traceRequest(c: AppContext, next: () => Promise<void>): Promise<void> {
  const { method } = c.req;
  const parent = c.req.header(TRACE_HEADER) ?? null;
  return traced({ name: method, kind: 'server', parent }, async (note) => {
    await next();
    const { status } = c.res;
    const route = routeOf(c);
    note({
      name: `${method} ${route}`,
      attributes: {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        requestId: c.get('requestId'),
      },
      failed: status >= 500,
    });
  });
}

/** The pattern of the route that has answered; `none` where there is no such route. */
export function routeOf(c: AppContext): string {
  const pattern = routePath(c);
  return pattern.endsWith('*') ? 'none' : pattern;
}
