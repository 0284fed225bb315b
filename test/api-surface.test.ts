import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { ROLE_PERMISSIONS, ROLES, type Permission, type Role } from '../domain/permissions';
import { startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { listRoutes, type ApiRoute } from './support/api-routes';
import { query } from './support/database';
import { bodyFor, fill, paramsFor } from './support/route-fixtures';

/*
 * Every route of the OpenAPI document, asked with no token, with each role, with an API key, with another company's
 * ids and with bad bodies. Routes that are added later are walked as well; one with new path parameters needs a line
 * in support/route-fixtures.ts.
 */

let api: TestApi;
let routes: ApiRoute[];
beforeAll(async () => {
  [api, routes] = [await startTestApi(), await listRoutes()];
});
afterAll(() => api.close());

const SPECIAL = new Set(['anyone', 'logged-in', 'self']);
const name = ({ method, path }: ApiRoute): string => `${method} ${path}`;
const anyParams = (path: string): string => path.replaceAll(/\{\w+\}/g, () => randomUUID());
const takesJson = ({ takes }: ApiRoute): boolean =>
  takes.length === 1 && takes[0] === 'application/json';

/** Asks each route and lists those that answered something else, so that a failure names them all. */
async function unlike(
  asked: ApiRoute[],
  expected: { status: number; code: string },
  ask: (route: ApiRoute) => Promise<Answer>,
): Promise<string[]> {
  expect(asked.length).toBeGreaterThan(0);
  const wrong: string[] = [];
  for (const route of asked) {
    const { status, headers, body } = await ask(route);
    const isProblem = headers.get('content-type')?.startsWith('application/problem+json') === true;
    if (status !== expected.status || !isProblem || body.code !== expected.code)
      wrong.push(`${name(route)}: ${status} ${JSON.stringify(body)?.slice(0, 200)}`);
  }
  return wrong;
}

const UNAUTHENTICATED = { status: 401, code: 'UNAUTHENTICATED' };
const FORBIDDEN = { status: 403, code: 'FORBIDDEN' };
const NOT_FOUND = { status: 404, code: 'NOT_FOUND' };
const VALIDATION = { status: 400, code: 'VALIDATION' };

const plain = (route: ApiRoute, as?: { token: string }): Promise<Answer> =>
  api.request(route.method, anyParams(route.path), as === undefined ? {} : { as });

describe('every route', () => {
  test('with no token answers 401', async () => {
    const closed = routes.filter(({ permission }) => permission !== 'anyone');
    expect(await unlike(closed, UNAUTHENTICATED, (route) => plain(route))).toEqual([]);
  });

  test('with a token that nobody has answers 401', async () => {
    const closed = routes.filter(({ permission }) => permission !== 'anyone');
    for (const token of [
      'rgs_'.padEnd(47, 'x'),
      'rgt_'.padEnd(47, 'x'),
      'something-else-altogether',
    ]) {
      expect(await unlike(closed, UNAUTHENTICATED, (route) => plain(route, { token }))).toEqual([]);
    }
  });

  test.each(ROLES)('answers 403 where the role %s lacks its permission', async (role) => {
    const lacking = routes.filter(({ permission }) => lacks(role, permission));
    const asked = lacking.length > 0 ? lacking : [];
    if (role === 'ADMIN') expect(asked).toEqual([]);
    else
      expect(await unlike(asked, FORBIDDEN, (route) => plain(route, personOf(role)))).toEqual([]);
  });

  test('is open to no API key without its scope', async () => {
    const key = await api.key(api.first.director, ['company:read']);
    const closed = routes.filter(
      ({ permission }) => !['anyone', 'logged-in', 'company:read'].includes(permission),
    );
    expect(await unlike(closed, FORBIDDEN, (route) => plain(route, key))).toEqual([]);
  });
});

function lacks(role: Role, permission: ApiRoute['permission']): boolean {
  return !SPECIAL.has(permission) && !ROLE_PERMISSIONS[role].includes(permission as Permission);
}

function personOf(role: Role): TestPerson {
  const { agent, manager, director } = api.first;
  return { AGENT: agent, MANAGER: manager, DIRECTOR: director, ADMIN: api.admin }[role];
}

describe('every route about one thing', () => {
  const aboutOne = (): ApiRoute[] =>
    routes.filter(({ path, permission }) => path.includes('{') && permission !== 'anyone');

  const auditLines = async (): Promise<unknown> =>
    (await query(api.database.adminUrl, 'SELECT count(*) AS lines FROM audit_logs'))[0]?.['lines'];

  test('has a fixture', () => {
    const without = aboutOne().filter(({ method, path }) => paramsFor(method, path) === undefined);
    expect(without.map(name)).toEqual([]);
  });

  test('hides another company’s, shows it to its own, and writes down each change', async () => {
    const shown: string[] = [];
    const unwritten: string[] = [];
    const hidden = await unlike(aboutOne(), NOT_FOUND, async (route) => {
      const { method, path } = route;
      const params = await paramsFor(method, path)!(api, api.second);
      const ask = async (tenant: TestApi['first']): Promise<Answer> => {
        const body = route.takes.length > 0 ? await bodyFor(method, path, api, tenant) : undefined;
        return api.request(method, fill(path, params), { as: tenant.director, body });
      };
      const foreign = await ask(api.first);
      // The same request by its owner shows that nothing but the company was wrong.
      const linesBefore = await auditLines();
      const own = await ask(api.second);
      const isWrite = method !== 'GET' && !route.permission.endsWith(':read');
      if (isWrite && own.status < 300 && (await auditLines()) === linesBefore)
        unwritten.push(name(route));
      if ([400, 401, 403, 404, 415, 500].includes(own.status))
        shown.push(`${name(route)}: ${own.status} ${JSON.stringify(own.body)}`);
      return foreign;
    });
    expect({ hidden, shown, unwritten }).toEqual({ hidden: [], shown: [], unwritten: [] });
  });

  test('answers 404 for ids that nothing has', async () => {
    const wrong = await unlike(aboutOne(), NOT_FOUND, async ({ method, path, takes }) => {
      const body = takes.length > 0 ? await bodyFor(method, path, api, api.first) : undefined;
      return api.request(method, anyParams(path), { as: api.first.director, body });
    });
    expect(wrong).toEqual([]);
  });

  test('answers 400 for what is no id', async () => {
    const pointers = new Set<string>();
    const wrong = await unlike(aboutOne(), VALIDATION, async ({ method, path, takes }) => {
      const body = takes.length > 0 ? await bodyFor(method, path, api, api.first) : undefined;
      const noId = path.replaceAll(/\{\w+\}/g, `x'; DROP TABLE users; --`);
      const answer = await api.request(method, noId, { as: api.first.director, body });
      for (const { pointer } of answer.body.errors) pointers.add(pointer);
      return answer;
    });
    expect(wrong).toEqual([]);
    expect([...pointers].sort()).toEqual(['/path/id', '/path/testId', '/path/userId']);
  });
});

describe('every route that takes JSON', () => {
  const asked = (): ApiRoute[] => routes.filter(takesJson);
  const send = ({ method, path }: ApiRoute, body: unknown, type?: string): Promise<Answer> =>
    api.request(method, anyParams(path), {
      as: path.startsWith('/v1/companies') ? api.admin : api.first.director,
      body,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    });

  test.each([
    ['malformed JSON', '{"name": '],
    ['no JSON at all', 'nome=Ana'],
    ['a list', []],
    ['a number', 5],
    ['null', 'null'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('refuses %s', async (_, body) => {
    expect(await unlike(asked(), VALIDATION, (route) => send(route, body))).toEqual([]);
  });

  test('points at a field that it does not know', async () => {
    const wrong: string[] = [];
    for (const route of asked()) {
      const { status, body } = await send(route, { 'isto/não~existe': 1 });
      const pointers = (body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer);
      if (status !== 400 || !pointers.includes('/isto~1não~0existe'))
        wrong.push(`${name(route)}: ${status} ${JSON.stringify(body)}`);
    }
    expect(wrong).toEqual([]);
  });

  test('points at texts that cannot be stored, and takes whole surrogate pairs', async () => {
    const halves = String.raw`{"name": "a\u0000b", "of/all": [{"\udc00\ud83d": 1}, "\\ud83d\ude00"]}`;
    const whole = String.raw`{"nenhum": "\ud83d\ude00"}`;
    const wrong: string[] = [];
    const pointersOf = async (route: ApiRoute, body: string): Promise<string> =>
      ((await send(route, body)).body.errors ?? [])
        .map(({ pointer }: { pointer: string }) => pointer)
        .join();
    for (const route of asked()) {
      const refused = await pointersOf(route, halves);
      if (refused !== '/name,/of~1all/0/\udc00\ud83d,/of~1all/1')
        wrong.push(`${name(route)}: ${refused}`);
      const taken = await pointersOf(route, whole);
      if (!taken.split(',').includes('/nenhum')) wrong.push(`${name(route)}: ${taken}`);
    }
    expect(wrong).toEqual([]);
  });

  test('refuses another content type', async () => {
    const expected = { status: 415, code: 'UNSUPPORTED_MEDIA' };
    expect(await unlike(asked(), expected, (route) => send(route, '{}', 'text/plain'))).toEqual([]);
  });

  test('refuses more than 1 MB', async () => {
    const expected = { status: 413, code: 'PAYLOAD_TOO_LARGE' };
    const body = JSON.stringify({ name: 'x'.repeat(1_100_000) });
    expect(await unlike(asked(), expected, (route) => send(route, body))).toEqual([]);
  });
});

test('a body of 100 MB is refused with an answer that arrives', async () => {
  const chunk = Buffer.alloc(1_048_576, 'x');
  const body = Readable.from(Array.from({ length: 100 }, () => chunk));
  const response = await fetch(`${api.url}/v1/wallets`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${api.first.director.token}`,
      'content-type': 'application/json',
    },
    body: Readable.toWeb(body) as ReadableStream,
    duplex: 'half',
  });
  expect(response.status).toBe(413);
  expect(await response.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
});

test('another method of a path answers 405 and names those that it takes', async () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const takenBy = (path: string): string[] =>
    routes.filter((route) => route.path === path).map(({ method }) => method);
  const wrong: string[] = [];
  for (const path of new Set(routes.map((route) => route.path))) {
    const taken = takenBy(path);
    // Of paths as /v1/blocklist/export, which /v1/blocklist/{id} matches as well, each method has a route.
    const also = new Set(
      routes.filter((route) => matches(route.path, path)).map(({ method }) => method),
    );
    for (const method of methods.filter((method) => !also.has(method))) {
      const { status, headers, body } = await api.request(method, anyParams(path), {
        as: api.admin,
      });
      const allow = headers.get('allow')?.split(', ') ?? [];
      if (
        status !== 405 ||
        body.code !== 'METHOD_NOT_ALLOWED' ||
        !taken.every((one) => allow.includes(one))
      )
        wrong.push(`${method} ${path}: ${status} ${allow.join()}`);
    }
  }
  expect(wrong).toEqual([]);
  const { headers } = await api.request('PUT', '/v1/wallets', { as: api.admin });
  expect(headers.get('allow')).toBe('GET, HEAD, POST');
});

/** Whether a route with this pattern would take requests for `path` too. */
function matches(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => part.startsWith('{') || part === given[index])
  );
}

test('a path that is no route answers 404 as a problem document', async () => {
  const { status, headers, body } = await api.request('GET', '/v1/nothing', { as: api.admin });
  expect(status).toBe(404);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({ code: 'NOT_FOUND', requestId: headers.get('x-request-id') });
});
