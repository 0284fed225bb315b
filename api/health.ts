import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { ApiDeps, AppEnv } from './context';

const Check = z
  .object({ status: z.enum(['ok', 'failing']), checks: z.record(z.string(), z.string()) })
  .openapi('Readiness');

const answers = (description: string) => ({
  description,
  content: { 'application/json': { schema: Check } },
});

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['Health'],
  security: [],
  responses: { 200: answers('The process lives') },
});
const readyz = createRoute({
  method: 'get',
  path: '/readyz',
  tags: ['Health'],
  security: [],
  responses: { 200: answers('Ready'), 503: answers('Not ready, and why') },
});

export function healthRoutes({ db, engine }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(healthz, (c) => c.json({ status: 'ok' as const, checks: {} }, 200))
    .openapi(readyz, async (c) => {
      const [database, temporal] = await Promise.all([checkDatabase(db), engine.ready()]);
      const checks = { database, engine: temporal ? 'ok' : 'does not answer' };
      const ok = database === 'ok' && temporal;
      return ok
        ? c.json({ status: 'ok' as const, checks }, 200)
        : c.json({ status: 'failing' as const, checks }, 503);
    });
}

/** Also fails while the ledger's partitions do not reach three months ahead (dispatch protocol §7). */
async function checkDatabase(db: ApiDeps['db']): Promise<string> {
  try {
    const { rows } = await db.pool.query<{ ahead: boolean }>(
      `SELECT to_regclass('communications_' || to_char(now() AT TIME ZONE 'UTC' + interval '3 months', 'YYYYMM')) IS NOT NULL AS ahead`,
    );
    return rows[0]?.ahead === true ? 'ok' : 'ledger partitions are missing';
  } catch {
    return 'does not answer';
  }
}
