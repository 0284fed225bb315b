import type { OpenAPIHono } from '@hono/zod-openapi';
import { TrieRouter } from 'hono/router/trie-router';
import { RegenteError } from '../domain/errors';
import type { AppContext, AppEnv } from './context';

/**
 * What to say where no route has answered: METHOD_NOT_ALLOWED, and `Allow` on the answer, for another method of a path that there is;
 * NOT_FOUND for anything else. Called once all routes of `app` are there.
 */
export function explainUnrouted(app: OpenAPIHono<AppEnv>): (c: AppContext) => RegenteError {
  const methods = new TrieRouter<string>();
  for (const { method, path } of app.routes) {
    // Middleware, which is there for paths that are not as well.
    if (method !== 'ALL') methods.add('ALL', path, method);
  }
  return (c) => {
    const [found] = methods.match('ALL', c.req.path);
    const allowed = new Set(found.map(([method]) => method));
    if (allowed.has('GET')) allowed.add('HEAD');
    if (allowed.size === 0 || allowed.has(c.req.method))
      return new RegenteError('NOT_FOUND', 'There is no such route.');
    const allow = [...allowed].sort().join(', ');
    c.header('Allow', allow);
    return new RegenteError('METHOD_NOT_ALLOWED', `This path takes ${allow} only.`);
  };
}
