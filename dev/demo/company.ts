import { randomBytes } from 'node:crypto';
import { hashPassword } from '../../api/passwords';
import { createCompany } from '../../prisma/companies';
import type { Database } from '../../prisma/client';
import { createUser } from '../../prisma/users';
import { SANDBOX_TOKEN } from '../sandbox/index';
import { apiClient, type ApiClient } from './http';

export interface Login {
  email: string;
  password: string;
}

/** The people of the invented company, by what they do. */
export interface DemoPeople {
  director: Login;
  operator: Login;
  supervisor: Login;
}

const PEOPLE = [
  { key: 'director', name: 'Dora Diretora', email: 'diretora@aurora.example', role: 'DIRECTOR' },
  { key: 'operator', name: 'Otávio Operador', email: 'operador@aurora.example', role: 'AGENT' },
  {
    key: 'supervisor',
    name: 'Sônia Supervisora',
    email: 'supervisora@aurora.example',
    role: 'MANAGER',
  },
] as const;

/** Makes the company and its people, as `npm run admin` would; everything else goes through the API. */
export async function createDemoCompany(db: Database): Promise<DemoPeople> {
  const password = randomBytes(9).toString('base64url');
  const passwordHash = await hashPassword(password);
  await createCompany(db, { slug: 'aurora', name: 'Cobrança Aurora' }, async (tx, { id }) => {
    for (const { name, email, role } of PEOPLE) {
      await createUser(tx, id, { name, email, role, area: 'CX_CS' }, passwordHash);
    }
  });
  const loginOf = (key: keyof DemoPeople): Login => ({
    email: PEOPLE.find((each) => each.key === key)?.email ?? '',
    password,
  });
  return {
    director: loginOf('director'),
    operator: loginOf('operator'),
    supervisor: loginOf('supervisor'),
  };
}

/** What a person needs to log in, to print below the addresses. */
export const loginLines = ({ director, operator, supervisor }: DemoPeople): string[] => [
  `  Login          ${director.email}  (also ${operator.email}, ${supervisor.email})`,
  `  Password       ${director.password}`,
];

/** Logs in as an operator's browser would. */
export async function logIn(apiUrl: string, login: Login): Promise<ApiClient> {
  const { token } = await apiClient(apiUrl, null).post<{ token: string }>('/v1/sessions', login);
  return apiClient(apiUrl, token);
}

export interface DemoAccount {
  walletId: string;
  brokerId: string;
  budgetId: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Created {
  id: string;
}

export interface AccountOptions {
  sandboxUrl: string;
  ratePerSecond: number | null;
  budget: string;
  /** Of the account at the vendor, beyond address, token and secret. */
  config?: Record<string, unknown>;
  /** Tells the accounts of a company apart. */
  number?: number;
}

/** What a message costs, in the budget's currency. */
export const PRICE = '0.0750';

/** What the director sets up once: squad, wallet, broker, account at the stand-in vendor, budget, fish. */
export async function setUpAccount(
  director: ApiClient,
  options: AccountOptions,
): Promise<DemoAccount> {
  const users = await director.get<{ items: (Created & { role: string })[] }>('/v1/users');
  const squad = await director.post<Created>('/v1/squads', { name: 'Cobrança', type: 'cs' });
  for (const user of users.items.filter(({ role }) => role !== 'DIRECTOR')) {
    await director.post(`/v1/squads/${squad.id}/members`, {
      userId: user.id,
      isLeader: user.role === 'MANAGER',
    });
  }
  const account = await openAccount(director, options);
  await director.post('/v1/fish', { name: 'Pescador da supervisão', phone: '+5511988887777' });
  return account;
}

/** Wallet, broker, account at the stand-in vendor and this month's budget. */
export async function openAccount(
  director: ApiClient,
  { sandboxUrl, ratePerSecond, budget, config = {}, number = 1 }: AccountOptions,
): Promise<DemoAccount> {
  const suffix = number === 1 ? '' : ` ${number}`;
  const wallet = await director.post<Created>('/v1/wallets', {
    name: `Carteira Aurora${suffix}`,
    idgisAmbiente: 1_000 + number,
  });
  const broker = await director.post<Created>('/v1/brokers', {
    name: `SMS de teste${suffix}`,
    provider: 'sandbox',
    channel: 'sms',
    costPerMessage: PRICE,
    ratePerSecond,
  });
  const webhookSecret = randomBytes(24).toString('base64');
  const credential = await director.post<{ webhookUrl: string }>('/v1/credentials', {
    walletId: wallet.id,
    brokerId: broker.id,
    config: { url: sandboxUrl, token: SANDBOX_TOKEN, webhookSecret, ...config },
  });
  const made = await director.post<Created>('/v1/budgets', {
    walletId: wallet.id,
    ...monthOf(new Date()),
    budget,
  });
  return {
    walletId: wallet.id,
    brokerId: broker.id,
    budgetId: made.id,
    webhookUrl: credential.webhookUrl,
    webhookSecret,
  };
}

/** In the company's time zone. */
function monthOf(moment: Date): { year: number; month: number } {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: 'America/Sao_Paulo',
    year: 'numeric',
    month: 'numeric',
  }).formatToParts(moment);
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value);
  return { year: part('year'), month: part('month') };
}
