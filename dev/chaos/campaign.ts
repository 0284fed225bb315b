import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { CampaignView } from '../demo/campaign';
import {
  createDemoCompany,
  logIn,
  openAccount,
  setUpAccount,
  type AccountOptions,
  type DemoAccount,
} from '../demo/company';
import { generateAudience } from '../demo/example-csv';
import type { ApiClient } from '../demo/http';
import type { Installation } from './installation';

/** A company with people, money and an account at the vendor, worked through the API. */
export interface Office {
  director: ApiClient;
  operator: ApiClient;
  supervisor: ApiClient;
  account: DemoAccount;
}

/** An approved campaign. */
export interface Launched {
  id: string;
  executionId: string;
  recipients: number;
}

const BUDGET = '100000.00';
const LOOK_MS = 100;

/** Needs a running API. */
export async function openOffice({ db, apiUrl, sandbox }: Installation): Promise<Office> {
  const people = await createDemoCompany(db);
  const [director, operator, supervisor] = await Promise.all([
    logIn(apiUrl, people.director),
    logIn(apiUrl, people.operator),
    logIn(apiUrl, people.supervisor),
  ]);
  const account = await setUpAccount(director, {
    sandboxUrl: sandbox.url,
    ratePerSecond: null,
    budget: BUDGET,
  });
  return { director, operator, supervisor, account };
}

/** The same people with another account: a wallet, a rate and a budget that nothing else has touched. */
export async function withAccount(
  { sandbox }: Installation,
  office: Office,
  options: Partial<AccountOptions> & { number: number },
): Promise<Office> {
  const account = await openAccount(office.director, {
    sandboxUrl: sandbox.url,
    ratePerSecond: null,
    budget: BUDGET,
    ...options,
  });
  return { ...office, account };
}

/** A campaign without an audience; `fields` are those beyond name, wallet, broker and message. */
export function createDraft(
  { operator, account: { walletId, brokerId } }: Office,
  fields: Record<string, unknown> = {},
): Promise<{ id: string }> {
  return operator.post('/v1/campaigns', {
    name: 'Acordo de novembro',
    walletId,
    brokerId,
    baseMessage: 'Olá {{nome}}, temos uma proposta para você.',
    ...fields,
  });
}

/** From the draft to the approval. */
export async function launch(
  office: Office,
  recipients: number,
  fields: Record<string, unknown> = {},
): Promise<Launched> {
  const { id } = await createDraft(office, fields);
  await office.operator.put(audiencePath(id), audienceFile(recipients), 'text/csv');
  await office.operator.post(`/v1/campaigns/${id}/submit`);
  return approve(office, { id, recipients });
}

/** Somebody else's word for a campaign that was submitted. */
export async function approve(
  { supervisor }: Office,
  { id, recipients }: { id: string; recipients: number },
): Promise<Launched> {
  const approved = await supervisor.post<{ executionId: string }>(`/v1/campaigns/${id}/approve`);
  return { id, executionId: approved.executionId, recipients };
}

export const audiencePath = (id: string): string =>
  `/v1/campaigns/${id}/audience?fileName=pessoas.csv`;

/** As many invented people as a file. */
export const audienceFile = (recipients: number): Readable =>
  Readable.from(generateAudience(recipients, 7), { objectMode: false });

/** Waits until the vendor has taken so many messages of everybody's. @throws when that takes too long. */
export async function untilAccepted(
  { sandbox }: Installation,
  count: number,
  withinMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { accepted } = await sandbox.totals();
    if (accepted >= count) return;
    if (performance.now() > deadline)
      throw new Error(`The vendor has taken ${accepted} messages, and waits for ${count}.`);
    await delay(LOOK_MS);
  }
}

/** Waits for the campaign's end, whatever becomes of the API meanwhile. @throws when that takes too long. */
export async function untilFinished(
  { operator }: Office,
  { id }: Launched,
  withinMs = 120_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  let last = 'not known';
  while (last !== 'FINISHED') {
    if (performance.now() > deadline) throw new Error(`The campaign does not end: it is ${last}.`);
    await delay(LOOK_MS);
    last = await operator.get<CampaignView>(`/v1/campaigns/${id}`).then(
      ({ state }) => state,
      (error: unknown) => String(error),
    );
  }
}
