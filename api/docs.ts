import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { AppEnv } from './context';

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Regente API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

/** Only found, not loaded: the package's own module reads the whole page script into this process. */
const SWAGGER_UI = dirname(require.resolve('swagger-ui-dist/package.json'));

const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

/** The document of all routes of `app`, and a reference page that is served without any other host. */
export function docsRoutes(app: OpenAPIHono<AppEnv>) {
  // Made once: the routes do not change while the process runs.
  let document: string | undefined;
  const policy = secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      // The page's script sets styles on its elements, and has its icons in data addresses.
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  });
  return new Hono<AppEnv>()
    .get('/openapi.json', (c) => {
      document ??= JSON.stringify(
        app.getOpenAPI31Document({
          openapi: '3.1.0',
          info: { title: 'Regente', version: '1' },
          security: [{ bearer: [] }],
        }),
      );
      return c.body(document, 200, { 'content-type': 'application/json' });
    })
    .get('/docs', policy, (c) => c.html(PAGE))
    .get('/docs/start.js', policy, (c) =>
      c.body(START, 200, { 'content-type': 'text/javascript; charset=utf-8' }),
    )
    .get('/docs/:asset', policy, async (c) => {
      const name = c.req.param('asset');
      const type = ASSETS[name];
      if (type === undefined) return c.notFound();
      const file = await readFile(join(SWAGGER_UI, name));
      return c.body(new Uint8Array(file), 200, {
        'content-type': type,
        'cache-control': 'public, max-age=3600',
      });
    });
}
