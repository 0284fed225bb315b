import { randomUUID } from 'node:crypto';
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { toFailure } from '../activities/errors';
import { RegenteError } from '../domain/errors';
import { withTenant, withTenantConnection } from '../prisma/tenant';
import { createTestDatabase, query, type TestDatabase } from './support/database';

const PERSON = 'Maria da Silva';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What the engine writes into the history when an activity throws this. */
function recorded(error: unknown): { text: string; type: string | null | undefined } {
  const failure = new DefaultFailureConverter().errorToFailure(
    toFailure(error),
    defaultPayloadConverter,
  );
  return { text: JSON.stringify(failure), type: failure.applicationFailureInfo?.type };
}

async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error;
}

test.each([
  [
    'through Prisma',
    () => withTenant(database.db, randomUUID(), (tx) => tx.$queryRaw`SELECT ${PERSON}::text::int`),
  ],
  [
    'on a plain connection',
    () =>
      withTenantConnection(database.db, randomUUID(), (connection) =>
        connection.query('SELECT $1::text::int', [PERSON]),
      ),
  ],
])(
  'no value that the database refused (%s) reaches the history, but its code does',
  async (_, work) => {
    const error = await thrownBy(work());
    expect((error as Error).message).toContain(PERSON);
    const { text } = recorded(error);
    expect(text).not.toContain(PERSON);
    expect(text).toContain('22P02');
    expect(text).toContain('activity-failures.test');
  },
);

test('a refusal of ours keeps its code and words, and nothing of the words of its cause', async () => {
  const companyId = randomUUID();
  await query(database.adminUrl, 'INSERT INTO companies (id, name, slug) VALUES ($1, $2, $3)', [
    companyId,
    'Empresa',
    companyId,
  ]);
  const create = (): Promise<unknown> =>
    withTenant(database.db, companyId, (tx) =>
      tx.wallet.create({ data: { companyId, name: PERSON, idgisAmbiente: 1 } }),
    );
  await create();
  const error = await thrownBy(create());
  const { text, type } = recorded(error);
  expect(type).toBe('CONFLICT');
  expect(text).toContain('Another entry already has this value.');
  expect(text).not.toContain(PERSON);

  const wrapped = new RegenteError('UNAVAILABLE', 'The provider does not answer.', {
    cause: new Error(`could not send to ${PERSON}`),
  });
  expect(recorded(wrapped).text).toContain('The provider does not answer.');
  expect(recorded(wrapped).text).not.toContain(PERSON);
});

test('a mistake of ours keeps its words, by which it is found', () => {
  const { text } = recorded(new TypeError('batch is undefined'));
  expect(text).toContain('batch is undefined');
});
