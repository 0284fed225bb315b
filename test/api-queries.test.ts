import { randomUUID } from 'node:crypto';
import { startTestApi, type Answer, type TestApi } from './support/api';
import { listRoutes, type ApiRoute, type QueryParameter } from './support/api-routes';

/* The query of every route of the OpenAPI document: what it says that a route takes is what the route takes. */

let api: TestApi;
let routes: ApiRoute[];
beforeAll(async () => {
  [api, routes] = [await startTestApi(), await listRoutes()];
});
afterAll(() => api.close());

interface FieldError {
  pointer: string;
  detail: string;
}

/** Vendors add parameters of their own to the address that they were given. */
const isWebhook = ({ path }: ApiRoute): boolean => path.startsWith('/v1/webhooks/');

const ask = ({ method, path }: ApiRoute, search: string): Promise<Answer> => {
  const anyPath = path.replaceAll(/\{\w+\}/g, () => randomUUID());
  return api.request(method, `${anyPath}?${search}`, { as: api.admin });
};

const errorsOf = ({ body }: Answer): FieldError[] => body?.errors ?? [];

/** Asks with each query parameter and lists those about which `complaint` has something to say. */
async function eachParameter(
  complaint: (route: ApiRoute, parameter: QueryParameter) => Promise<string | undefined>,
): Promise<string[]> {
  const complaints: string[] = [];
  for (const route of routes) {
    for (const parameter of route.query) {
      const said = await complaint(route, parameter);
      if (said !== undefined)
        complaints.push(`${route.method} ${route.path} ${parameter.name}: ${said}`);
    }
  }
  return complaints;
}

test('a parameter that a route does not know is refused with those that it knows', async () => {
  const wrong: string[] = [];
  for (const route of routes) {
    const error = errorsOf(await ask(route, 'isto=1')).find(
      ({ pointer }) => pointer === '/query/isto',
    );
    const isRight = isWebhook(route)
      ? error === undefined
      : route.query.every(({ name }) => error?.detail.includes(name) === true) &&
        error !== undefined;
    if (!isRight) wrong.push(`${route.method} ${route.path}: ${JSON.stringify(error)}`);
  }
  expect(wrong).toEqual([]);
});

test('a parameter of one value that is given twice is refused as such', async () => {
  const wrong = await eachParameter(async (route, { name, schema }) => {
    if (schema.type === 'array') return undefined;
    const one = `${encodeURIComponent(name)}=1`;
    const answer = await ask(route, `${one}&${one}`);
    const expected = { pointer: `/query/${name}`, detail: 'is given more than once' };
    const isTold = errorsOf(answer).some(
      (error) => error.pointer === expected.pointer && error.detail === expected.detail,
    );
    return isTold ? undefined : JSON.stringify(answer.body);
  });
  expect(wrong).toEqual([]);
});

test('a parameter with U+0000 is pointed at', async () => {
  const wrong = await eachParameter(async (route, { name }) => {
    const answer = await ask(route, `${encodeURIComponent(name)}=a%00b`);
    const isTold = errorsOf(answer).some(({ pointer }) => pointer === `/query/${name}`);
    return isTold && answer.status === 400 ? undefined : JSON.stringify(answer.body);
  });
  expect(wrong).toEqual([]);
});

/** Texts with rules that no schema can say; each says in its error what it wants. */
const OWN_RULES = new Set(['cursor', 'phone', 'cpfCnpj', 'address', 'mapping']);

const SAMPLES = [
  'zz',
  '0',
  '13',
  '2.5',
  '5000000000',
  'true',
  'me',
  randomUUID(),
  '2026-01-01T00:00:00Z',
];

test('the document says of each parameter what its route takes', async () => {
  const wrong = await eachParameter(async (route, { name, schema }) => {
    if (OWN_RULES.has(name)) return undefined;
    const checked = SAMPLES.map(async (value) => {
      const errors = errorsOf(await ask(route, `${encodeURIComponent(name)}=${value}`));
      const isTaken = !errors.some(({ pointer }) => pointer.startsWith(`/query/${name}`));
      return isTaken === allows(schema, value) ? [] : [`${value} ${isTaken ? 'is' : 'is not'}`];
    });
    const unlike = (await Promise.all(checked)).flat();
    return unlike.length > 0 ? unlike.join(', ') : undefined;
  });
  expect(wrong).toEqual([]);
});

test('an instant that no database keeps is refused, and those beside it are not', async () => {
  const refused = [
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
  ];
  const taken = ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '0000-12-31T23:30:00-01:00'];
  let instants = 0;
  const wrong = await eachParameter(async (route, { name, schema }) => {
    if (schema.format !== 'date-time') return undefined;
    instants += 1;
    const statusOf = async (value: string): Promise<number> =>
      (await ask(route, `${name}=${encodeURIComponent(value)}`)).status;
    const statuses = await Promise.all([...refused, ...taken].map(statusOf));
    return statuses.join() === '400,400,400,200,200,200' ? undefined : statuses.join();
  });
  expect(wrong).toEqual([]);
  expect(instants).toBeGreaterThan(3);
});

/** As much of JSON Schema as the parameters use. */
function allows(schema: QueryParameter['schema'], value: string): boolean {
  if (schema.anyOf !== undefined) return schema.anyOf.some((one) => allows(one, value));
  switch (schema.type) {
    case 'string':
      return allowsText(schema, value);
    case 'integer': {
      const { minimum = -Infinity, maximum = Infinity } = schema;
      const number = Number(value);
      return Number.isInteger(number) && number >= minimum && number <= maximum;
    }
    case 'boolean':
      return value === 'true' || value === 'false';
    case 'array':
      return allows(schema.items!, value);
    default:
      throw new Error(`What is ${JSON.stringify(schema)}?`);
  }
}

function allowsText(
  { enum: values, format, pattern, maxLength }: QueryParameter['schema'],
  value: string,
): boolean {
  if (values !== undefined) return values.includes(value);
  if (format === 'uuid') return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
  if (format === 'date-time') return /^\d{4}-\d\d-\d\dT/.test(value);
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) return false;
  return value.length <= (maxLength ?? Infinity);
}
