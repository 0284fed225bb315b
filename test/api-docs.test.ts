import { noticeLink } from '../domain/notices';
import { startTestApi, type TestApi } from './support/api';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

test('the reference page loads nothing from another host, and its policy forbids it', async () => {
  const page = await api.request('GET', '/docs');
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
  const links = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThanOrEqual(3);
  for (const link of links) {
    expect(link).toMatch(/^\/docs\//);
    const file = await api.request('GET', link);
    expect(file.status).toBe(200);
    expect(file.headers.get('content-type')).toMatch(/^text\/(css|javascript)/);
  }
  expect(page.body).not.toMatch(/<script(?![^>]*src=)/);
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
});

test('serves the files of the page and no others', async () => {
  for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/index.html'])
    expect((await api.request('GET', path)).status).toBe(404);
});

test('the document is OpenAPI 3.1 and shows each route’s permission and problems', async () => {
  const { status, body } = await api.request('GET', '/openapi.json');
  expect(status).toBe(200);
  expect(body.openapi).toBe('3.1.0');
  expect(body.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
  const route = body.paths['/v1/wallets'].post;
  expect(route['x-permission']).toBe('wallets:write');
  expect(Object.keys(route.responses)).toEqual(
    expect.arrayContaining(['201', '400', '401', '403']),
  );
});

test('the document says of filters and fields what their names do not', async () => {
  const { paths } = (await api.request('GET', '/openapi.json')).body;
  const query = (path: string): Record<string, string | undefined> =>
    Object.fromEntries(
      paths[path].get.parameters.map(
        ({ name, description }: { name: string; description?: string }) => [name, description],
      ),
    );
  expect(query('/v1/campaigns')).toMatchObject({
    createdUntil: 'The first instant that is too late.',
    state: 'One state, or several with commas.',
  });
  expect(query('/v1/api-keys')['live']).toMatch(/only keys that work/);
  const draft = paths['/v1/campaigns'].post.requestBody.content['application/json'].schema;
  expect(draft.properties.baseMessage.description).toMatch(/no message of their own/);
});

test('no pattern of the document has flags, which JSON Schema does not know', async () => {
  const text = JSON.stringify((await api.request('GET', '/openapi.json')).body);
  const patterns = [...text.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)].map(([, each]) => each!);
  expect(patterns.length).toBeGreaterThan(10);
  expect(patterns.filter((each) => /\/[a-z]+$/.test(each))).toEqual([]);
});

test.each(['invitation', 'password_reset'] as const)(
  'the link of an account mail (%s) leads to a form that may call nothing but this API',
  async (purpose) => {
    const link = noticeLink(api.url, purpose, 'abc');
    const page = await api.request('GET', link.slice(api.url.length));
    expect(page.status).toBe(200);
    const [, action] = /data-action="([^"]+)"/.exec(page.body) ?? [];
    const answer = await api.request('POST', action!, {
      body: { token: 'abc', password: 'girafa-lanterna-7' },
    });
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: '/token' })]);
    for (const [, file] of String(page.body).matchAll(/(?:src|href)="([^"]+)"/g))
      expect((await api.request('GET', file!)).status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("connect-src 'self'");
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
  },
);
