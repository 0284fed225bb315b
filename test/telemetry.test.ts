import type { Prisma } from '../prisma/generated/client';
import { withTenant } from '../prisma/tenant';
import { createLogger } from '../telemetry';
import { createTestDatabase, type TestDatabase } from './support/database';
import { createCompany } from './support/factories';

const SECRET = 'segredo-que-ninguem-le';

/** What a line about these fields looks like in the log. */
function logged(fields: object): string {
  const lines: string[] = [];
  const logger = createLogger('info', 'test', { write: (line) => void lines.push(line) });
  logger.error(fields, 'something happened');
  return lines.join('');
}

test.each(['password', 'token', 'authorization', 'config'])(
  'a line never shows a field %s, though somebody hands one over',
  (field) => {
    for (const fields of [{ [field]: SECRET }, { account: { [field]: SECRET } }]) {
      const line = logged(fields);
      expect(line).toContain('[redacted]');
      expect(line).not.toContain(SECRET);
    }
  },
);

test('an error is shown with its causes, and without what a driver has hung on it', () => {
  const cause = Object.assign(new Error('duplicate key'), {
    code: '23505',
    detail: `Key (email)=(${SECRET}) already exists.`,
    query: `INSERT … ${SECRET}`,
  });
  const line = logged({ err: new Error('it failed', { cause }) });
  expect(JSON.parse(line).err).toMatchObject({
    message: 'it failed',
    cause: { message: 'duplicate key', code: '23505' },
  });
  expect(line).not.toContain(SECRET);
});

describe('an error of the database client', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test.each([
    ['a field that is missing', { passwordHash: SECRET }, /Argument `\w+` is missing/],
    ['a value of another type', { email: 1, name: SECRET, role: 'AGENT' }, /Expected String/],
  ])('about %s says what is wrong, and no value of the call', async (_, fields, said) => {
    const companyId = await createCompany(database.db);
    const data = { companyId, ...fields } as unknown as Prisma.UserUncheckedCreateInput;
    const failed = withTenant(database.db, companyId, (tx) => tx.user.create({ data }));
    const error: unknown = await failed.catch((thrown: unknown) => thrown);
    const line = logged({ err: error });
    expect(line).toMatch(said);
    expect(line).toContain('PrismaClientValidationError');
    expect(line).toContain('telemetry.test.ts');
    expect(line).not.toContain(SECRET);
  });
});
