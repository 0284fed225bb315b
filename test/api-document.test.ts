import { readDocument, type Operation } from './support/api-routes';

/* What clients are made of: the OpenAPI document, one operation after the other. */

interface Named extends Operation {
  name: string;
  isWrite: boolean;
}

let operations: Named[];
beforeAll(async () => {
  const { paths } = await readDocument();
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      name: `${method} ${path}`,
      isWrite: method !== 'get',
    })),
  );
});

const unless = (isRight: (operation: Named) => boolean): string[] =>
  operations.filter((operation) => !isRight(operation)).map(({ name }) => name);
const takesHeader = ({ parameters = [] }: Named, header: string): boolean =>
  parameters.some(({ name, in: place }) => place === 'header' && name === header);

test('every operation has one short sentence that says what it does', () => {
  expect(operations.length).toBeGreaterThan(100);
  expect(unless(({ summary = '' }) => /^[A-Z].{4,60}[^.]$/.test(summary))).toEqual([]);
});

test('every operation has a name of its own, from which clients are made', () => {
  expect(unless(({ operationId = '' }) => /^[a-z][A-Za-z]{3,}$/.test(operationId))).toEqual([]);
  const names = operations.map(({ operationId }) => operationId);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test('every write takes Idempotency-Key, but for those of callers without a token', () => {
  const isTaken = ({ isWrite, 'x-permission': permission }: Named): boolean =>
    isWrite && permission !== 'anyone';
  expect(unless((one) => takesHeader(one, 'Idempotency-Key') === isTaken(one))).toEqual([]);
});

test('every operation in a company takes X-Company, and none that is about oneself', () => {
  const inCompany = ({ 'x-permission': permission = 'anyone' }: Named): boolean =>
    permission !== 'anyone' && permission !== 'self';
  expect(unless((one) => takesHeader(one, 'X-Company') === inCompany(one))).toEqual([]);
});

test('410 is an answer of those that read people of the ledger, and of no other', () => {
  const mayBeArchived = operations.filter(({ responses = {} }) => '410' in responses);
  expect(mayBeArchived.map(({ name }) => name).sort()).toEqual([
    'get /v1/campaigns/{id}/reasons',
    'get /v1/campaigns/{id}/recipients',
    'get /v1/campaigns/{id}/report.csv',
    'get /v1/campaigns/{id}/test-sends/{testId}',
    'post /v1/campaigns/{id}/retry-failed',
    'post /v1/campaigns/{id}/unknown/resolve',
  ]);
});

test('each parameter is listed once', () => {
  const places = ({ parameters = [] }: Named): string[] =>
    parameters.map(({ name, in: place }) => `${place} ${name}`);
  expect(unless((one) => new Set(places(one)).size === places(one).length)).toEqual([]);
});
