import { randomBytes, randomUUID } from 'node:crypto';
import type { Database } from '../../prisma/client';
import type { Prisma } from '../../prisma/generated/client';
import { withTenant } from '../../prisma/tenant';

/** Each of these makes one valid row and answers its id; `fields` replaces what the test cares about. */
type Fields<Input> = Partial<Omit<Input, 'companyId'>>;

const unique = (): string => randomBytes(5).toString('hex');

export async function createCompany(
  db: Database,
  fields: Partial<Prisma.CompanyUncheckedCreateInput> = {},
): Promise<string> {
  const id = fields.id ?? randomUUID();
  const slug = `empresa-${unique()}`;
  await withTenant(db, id, (tx) =>
    tx.company.create({ data: { name: 'Empresa de Teste', slug, ...fields, id } }),
  );
  return id;
}

export async function createUser(
  db: Database,
  companyId: string,
  fields: Fields<Prisma.UserUncheckedCreateInput> = {},
): Promise<string> {
  const data = {
    companyId,
    name: 'Maria Souza',
    email: `maria.${unique()}@example.com`,
    role: 'AGENT',
    status: 'ACTIVE',
    ...fields,
  };
  return (await withTenant(db, companyId, (tx) => tx.user.create({ data }))).id;
}

export async function createWallet(
  db: Database,
  companyId: string,
  fields: Fields<Prisma.WalletUncheckedCreateInput> = {},
): Promise<string> {
  const idgisAmbiente = randomBytes(4).readUInt32BE() >>> 1;
  const data = { companyId, name: 'Carteira Norte', idgisAmbiente, ...fields };
  return (await withTenant(db, companyId, (tx) => tx.wallet.create({ data }))).id;
}

export async function createBroker(
  db: Database,
  companyId: string,
  fields: Fields<Prisma.BrokerUncheckedCreateInput> = {},
): Promise<string> {
  const data = {
    companyId,
    name: `Sandbox ${unique()}`,
    provider: 'sandbox',
    channel: 'sms',
    costPerMessage: '0.05',
    ...fields,
  };
  return (await withTenant(db, companyId, (tx) => tx.broker.create({ data }))).id;
}

export async function createCredential(
  db: Database,
  companyId: string,
  fields: Fields<Prisma.CredentialUncheckedCreateInput> & { walletId: string; brokerId: string },
): Promise<string> {
  const data = {
    companyId,
    encryptedConfig: '',
    configKeys: [],
    webhookToken: randomBytes(16).toString('hex'),
    ...fields,
  };
  return (await withTenant(db, companyId, (tx) => tx.credential.create({ data }))).id;
}

export async function createBudget(
  db: Database,
  companyId: string,
  fields: Fields<Prisma.BudgetUncheckedCreateInput> & { walletId: string },
): Promise<string> {
  const now = new Date();
  const month = { year: now.getUTCFullYear(), month: now.getUTCMonth() + 1 };
  const data = { companyId, ...month, budget: '1000', ...fields };
  return (await withTenant(db, companyId, (tx) => tx.budget.create({ data }))).id;
}
