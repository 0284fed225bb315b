import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { ledgerReachesAhead } from '../prisma/upkeep';
import type { ApiDeps, AppEnv } from './context';

const Check = z
  .object({
    status: z.enum(['ok', 'degraded', 'failing', 'draining']),
    checks: z.record(z.string(), z.string()),
  })
  .openapi('Readiness');

const answers = (description: string) => ({
  description,
  content: { 'application/json': { schema: Check } },
});

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['Health'],
  operationId: 'checkLiveness',
  summary: 'Say whether the process lives',
  security: [],
  responses: { 200: answers('The process lives') },
});
const readyz = createRoute({
  method: 'get',
  path: '/readyz',
  tags: ['Health'],
  operationId: 'checkReadiness',
  summary: 'Say whether requests may be sent here',
  security: [],
  responses: {
    200: answers(
      'Ready; `degraded` without the engine, whose part of a change is kept until it is back',
    ),
    503: answers('Not ready, and why'),
  },
});

export function healthRoutes({ db, engine, isDraining }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(healthz, (c) => c.json({ status: 'ok' as const, checks: {} }, 200))
    .openapi(readyz, async (c) => {
      if (isDraining?.() === true) return c.json({ status: 'draining' as const, checks: {} }, 503);
      const [database, temporal] = await Promise.all([checkDatabase(db), engine.ready()]);
      const checks = { database, engine: temporal ? 'ok' : 'does not answer' };
      if (database !== 'ok') return c.json({ status: 'failing' as const, checks }, 503);
      // It serves all the same: a balancer that turned away would turn away from every API at once.
      return c.json({ status: temporal ? ('ok' as const) : ('degraded' as const), checks }, 200);
    });
}

async function checkDatabase(db: ApiDeps['db']): Promise<string> {
  try {
    return (await ledgerReachesAhead(db)) ? 'ok' : 'ledger partitions are missing';
  } catch {
    return 'does not answer';
  }
}
