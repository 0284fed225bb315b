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

/** What the director sets up once: squad, wallet, broker, account at the stand-in vendor, budget, fish. */
export async function setUpAccount(
  director: ApiClient,
  {
    sandboxUrl,
    ratePerSecond,
    budget,
  }: { sandboxUrl: string; ratePerSecond: number | null; budget: string },
): Promise<DemoAccount> {
  const users = await director.get<{ items: (Created & { role: string })[] }>('/v1/users');
  const squad = await director.post<Created>('/v1/squads', { name: 'Cobrança', type: 'cs' });
  for (const user of users.items.filter(({ role }) => role !== 'DIRECTOR')) {
    await director.post(`/v1/squads/${squad.id}/members`, {
      userId: user.id,
      isLeader: user.role === 'MANAGER',
    });
  }
  const wallet = await director.post<Created>('/v1/wallets', {
    name: 'Carteira Aurora',
    idgisAmbiente: 1001,
  });
  const broker = await director.post<Created>('/v1/brokers', {
    name: 'SMS de teste',
    provider: 'sandbox',
    channel: 'sms',
    costPerMessage: '0.0750',
    ratePerSecond,
  });
  const webhookSecret = randomBytes(24).toString('base64');
  const credential = await director.post<{ webhookUrl: string }>('/v1/credentials', {
    walletId: wallet.id,
    brokerId: broker.id,
    config: { url: sandboxUrl, token: SANDBOX_TOKEN, webhookSecret },
  });
  const now = new Date();
  const month = new Intl.DateTimeFormat('en', {
    timeZone: 'America/Sao_Paulo',
    year: 'numeric',
    month: 'numeric',
  }).formatToParts(now);
  const part = (type: string): number => Number(month.find((each) => each.type === type)?.value);
  const made = await director.post<Created>('/v1/budgets', {
    walletId: wallet.id,
    year: part('year'),
    month: part('month'),
    budget,
  });
  await director.post('/v1/fish', { name: 'Pescador da supervisão', phone: '+5511988887777' });
  return {
    walletId: wallet.id,
    brokerId: broker.id,
    budgetId: made.id,
    webhookUrl: credential.webhookUrl,
    webhookSecret,
  };
}
