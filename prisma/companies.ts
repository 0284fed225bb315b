import type { CompanyInput, CompanyPatch } from '../domain/companies.schema';
import { RegenteError } from '../domain/errors';
import { PLATFORM_SLUG } from '../domain/permissions';
import type { Database } from './client';
import { unlessTaken } from './conflicts';
import type { Company, Prisma } from './generated/client';
import { lookupCompany } from './sessions';
import { queryAcross, withTenant, type TenantTx } from './tenant';

/** The company of this transaction. */
export async function getCompany(tx: TenantTx): Promise<Company> {
  return tx.company.findFirstOrThrow();
}

/** A tenant that nobody is, for transactions that make their company first. */
const NO_COMPANY = '00000000-0000-0000-0000-000000000000';

/** Makes a company and does the first `work` in it, in a transaction of its own. Throws CONFLICT when the slug is taken. */
export async function createCompany<T>(
  db: Database,
  input: CompanyInput,
  work: (tx: TenantTx, company: Company) => Promise<T>,
): Promise<T> {
  return withTenant(db, NO_COMPANY, (tx) => createCompanyWithin(tx, input, work));
}

/** The same as a part of another company's transaction, which goes on in that company afterwards. */
export async function createCompanyWithin<T>(
  tx: TenantTx,
  input: CompanyInput,
  work: (tx: TenantTx, company: Company) => Promise<T>,
): Promise<T> {
  const [row] = await tx.$queryRaw<{ id: string; outer: string }[]>`
    SELECT uuidv7()::text AS id, app_company()::text AS outer`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'PostgreSQL made no id.');
  // A row must be visible to be inserted, so the transaction becomes the new company's first.
  await actAs(tx, row.id);
  const company = await unlessTaken(tx.company.create({ data: { ...input, id: row.id } }), {
    pointer: '/slug',
    message: 'Another company already has this slug.',
  });
  const result = await work(tx, company);
  await actAs(tx, row.outer);
  return result;
}

async function actAs(tx: TenantTx, companyId: string): Promise<void> {
  await tx.$executeRaw`SELECT set_config('app.company_id', ${companyId}, true)`;
}

/** The id of the platform company, which is made when it is first needed. */
export async function ensurePlatformCompany(db: Database): Promise<string> {
  const known = await lookupCompany(db, PLATFORM_SLUG);
  if (known !== undefined) return known;
  return createCompany(db, { slug: PLATFORM_SLUG, name: 'Regente' }, async (_tx, { id }) => id);
}

/** Changes the company of this transaction; settings and features are merged key by key. */
export async function updateCompany(
  tx: TenantTx,
  patch: CompanyPatch,
): Promise<{ before: Company; after: Company }> {
  const { settings, features, ...fields } = patch;
  await tx.$executeRaw`SELECT FROM companies FOR UPDATE`;
  const before = await getCompany(tx);
  const merged = (stored: Prisma.JsonValue, change: object | undefined): Prisma.InputJsonValue => ({
    ...(stored as Prisma.JsonObject),
    ...change,
  });
  const after = await tx.company.update({
    where: { id: before.id },
    data: {
      ...fields,
      settings: merged(before.settings, settings),
      features: merged(before.features, features),
    },
  });
  return { before, after };
}

export interface ListedCompany {
  id: string;
  name: string;
  slug: string;
  domain: string | null;
  timeZone: string;
  currency: string;
  createdAt: Date;
}

/** Companies of every tenant, newest first: for the staff of the operator. */
export async function listCompanies(
  db: Database,
  { text, before, limit }: { text?: string; before?: string; limit: number },
): Promise<ListedCompany[]> {
  return queryAcross(
    db,
    `SELECT id, name, slug, domain, time_zone AS "timeZone", currency, created_at AS "createdAt"
       FROM list_companies($1, $2, $3)`,
    [text ?? null, before ?? null, limit],
  );
}
