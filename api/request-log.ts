import { randomUUID } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import type { Logger } from '../telemetry';
import { httpRequestSeconds } from '../telemetry/metrics';
import { TRACE_HEADER, traced } from '../telemetry/traces';
import type { AppContext, AppEnv } from './context';

/** What supervises asks every few seconds. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** Vendors call as often as the campaigns make them. */
export const WEBHOOK_ROUTE = '/v1/webhooks/:provider/:token';

/** What is written down of a request. */
export interface RequestRecord {
  method: string;
  /**
   * The route's pattern stands for the path, which holds ids and the secret parts of webhooks; nothing that was sent or
   * answered is written down.
   */
  route: string;
  status: number;
  requestId: string;
  actorId?: string | undefined;
}

/** The caller's own id of a request where it gives one that can be used, else a new one. */
export const requestIdOf = (given: string | undefined): string =>
  given !== undefined && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();

/** One measurement a request, and one line where the measurement is not enough. */
export function logRequests(logger: Logger) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const startedMs = performance.now();
    const handle = async (): Promise<RequestRecord> => {
      await next();
      return recordOf(c);
    };
    const record = PROBES.has(c.req.path)
      ? await handle()
      : await traceRequest(c.req.method, c.req.header(TRACE_HEADER), handle);
    recordRequest(logger, { ...record, actorId: c.get('actor')?.id }, startedMs);
  });
}

const recordOf = (c: AppContext): RequestRecord => ({
  method: c.req.method,
  route: routeOf(c),
  status: c.res.status,
  requestId: c.get('requestId'),
});

/**
 * Measures a request, and logs it: routine ones at debug, the others at info.
 * @param startedMs on the clock of `performance`
 */
export function recordRequest(logger: Logger, record: RequestRecord, startedMs: number): void {
  const ms = performance.now() - startedMs;
  const { method, route, status } = record;
  const statusClass = `${Math.floor(status / 100)}xx`;
  httpRequestSeconds.observe({ method, route, status: statusClass }, ms / 1_000);
  const level = isRoutine(record) ? 'debug' : 'info';
  if (logger.isLevelEnabled(level)) logger[level]({ ...record, ms: Math.round(ms) }, 'request');
}

/** Of these there are so many that only the measurement is kept. */
const isRoutine = ({ route, status }: RequestRecord): boolean =>
  PROBES.has(route) || (route === WEBHOOK_ROUTE && status < 300);

/** Answers a request inside a span of its own. */
export function traceRequest(
  method: string,
  parent: string | undefined,
  handle: () => Promise<RequestRecord>,
): Promise<RequestRecord> {
  return traced({ name: method, kind: 'server', parent: parent ?? null }, async (note) => {
    const record = await handle();
    const { route, status, requestId } = record;
    note({
      name: `${method} ${route}`,
      attributes: {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        requestId,
      },
      failed: status >= 500,
    });
    return record;
  });
}

/** The pattern of the route that was asked, be it refused before it was reached; `none` where there is no such route. */
export function routeOf(c: AppContext): string {
  return matchedRoutes(c).find(({ path }) => !path.endsWith('*'))?.path ?? 'none';
}
