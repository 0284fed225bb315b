import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RegenteError } from '../domain/errors';
import { logIn, type DemoPeople } from './demo/company';
import { SANDBOX_TOKEN } from './sandbox/index';

/** What a checkout keeps between two starts of `npm run dev`, beside its data. */
export interface DevState {
  apiPort: number;
  sandboxPort: number;
  people: DemoPeople;
  /** Where the stand-in vendor reports to, and what it signs with. */
  webhook: { url: string; secret: string };
}

const fileIn = (dir: string): string => join(dir, 'dev.json');

/** Null before the first start. */
export function readDevState(dir: string): DevState | null {
  const path = fileIn(dir);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as DevState) : null;
}

export async function writeDevState(dir: string, state: DevState): Promise<void> {
  await writeFile(fileIn(dir), JSON.stringify(state, null, 2), { mode: 0o600 });
}

/** The same state with API and vendor on these ports; the vendor then reports to the new one. */
export function onOtherPorts(
  state: DevState,
  ports: Pick<DevState, 'apiPort' | 'sandboxPort'>,
): DevState {
  const url = new URL(state.webhook.url);
  url.port = String(ports.apiPort);
  return { ...state, ...ports, webhook: { ...state.webhook, url: url.href } };
}

/**
 * Tells the account at the stand-in vendor the vendor's new address.
 * Throws NOT_FOUND when somebody has removed that account.
 */
export async function moveAccount(
  apiUrl: string,
  { people, webhook }: DevState,
  sandboxUrl: string,
): Promise<void> {
  const director = await logIn(apiUrl, people.director);
  const { items } = await director.get<{ items: { id: string; webhookUrl: string }[] }>(
    '/v1/credentials?limit=200',
  );
  const { pathname } = new URL(webhook.url);
  const account = items.find((each) => new URL(each.webhookUrl).pathname === pathname);
  if (account === undefined)
    throw new RegenteError('NOT_FOUND', 'The account at the stand-in vendor is gone.');
  await director.request('PATCH', `/v1/credentials/${account.id}`, {
    config: { url: sandboxUrl, token: SANDBOX_TOKEN, webhookSecret: webhook.secret },
  });
}
