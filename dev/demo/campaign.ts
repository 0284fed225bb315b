import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type CampaignState } from '../../domain/campaigns';
import type { PeopleCounts } from '../../domain/communications';
import { generateAudience } from './example-csv';
import type { DemoAccount } from './company';
import { ApiRefusal, type ApiClient } from './http';
import type { DemoOptions } from './options';

const EXAMPLES = join(__dirname, '../../examples');

export interface Summary {
  total: number;
  valid: number;
  corrected: number;
  duplicates: number;
  invalid: Record<string, number>;
  estimatedCost: string;
}

export interface CampaignView {
  id: string;
  state: CampaignState;
  progress: {
    counts: PeopleCounts;
    fish: PeopleCounts;
    ratePerSecond: number | null;
    money: { used: string; reserved: string };
    waiting: { reason: string; note: string | null } | null;
  };
}

/** People whom the company must not contact, as its own list says. */
export async function importBlocklist(director: ApiClient): Promise<void> {
  await director.put(
    '/v1/blocklist/import',
    await readFile(join(EXAMPLES, 'bloqueados.csv')),
    'text/csv',
  );
}

/** Nobody of the file can be sent to. */
export class UnusableFileError extends Error {
  override readonly name = 'UnusableFileError';
}

/**
 * The operator's part: a draft, its audience, and a look at it.
 * Throws UnusableFileError for a file without an address column or without a good row.
 */
export async function prepareCampaign(
  operator: ApiClient,
  account: DemoAccount,
  options: DemoOptions,
): Promise<{ id: string; summary: Summary }> {
  const { id } = await operator.post<{ id: string }>('/v1/campaigns', {
    name: 'Acordo de novembro',
    walletId: account.walletId,
    brokerId: account.brokerId,
    baseMessage: messageOf(options),
  });
  const { file, name } = audienceOf(options);
  await upload(operator, `/v1/campaigns/${id}/audience?fileName=${encodeURIComponent(name)}`, file);
  const summary = await operator.get<Summary>(`/v1/campaigns/${id}/audience/summary`);
  return { id, summary };
}

async function upload(operator: ApiClient, path: string, file: Readable): Promise<void> {
  try {
    await operator.put(path, file, 'text/csv');
  } catch (error) {
    throw error instanceof ApiRefusal && [400, 413, 415].includes(error.status)
      ? new UnusableFileError(error.message, { cause: error })
      : error;
  }
}

/** A file of one's own may have no more than phones, so its message asks for nothing. */
function messageOf({ csv }: DemoOptions): string {
  return csv === null
    ? 'Olá {{primeiro_nome}}, a Cobrança Aurora tem uma proposta de {{valor}} para você. Responda SIM.'
    : 'Olá, a Cobrança Aurora tem uma proposta para você. Responda SIM.';
}

function audienceOf({ csv, recipients }: DemoOptions): { file: Readable; name: string } {
  if (csv !== null) return { file: createReadStream(csv), name: basename(csv) };
  if (recipients !== null)
    return {
      file: Readable.from(generateAudience(recipients, 7), { objectMode: false }),
      name: 'inventados.csv',
    };
  return { file: createReadStream(join(EXAMPLES, 'campanha.csv')), name: 'campanha.csv' };
}

const LOOK_MS = 200;

/** Follows a campaign to its end, showing each look at it. */
export async function followCampaign(
  client: ApiClient,
  id: string,
  show: (view: CampaignView) => void,
): Promise<CampaignView> {
  for (;;) {
    const view = await client.get<CampaignView>(`/v1/campaigns/${id}`);
    show(view);
    if (isTerminal(view.state)) return view;
    if (view.state === 'PAUSED')
      throw new Error(
        `The campaign was paused: ${view.progress.waiting?.note ?? 'no reason given'}.`,
      );
    await delay(LOOK_MS);
  }
}

interface Recipient {
  position: number;
  state: string;
  reason: string | null;
}

/** How many of this state have which reason, from the list that an operator would download. */
export async function countReasons(
  client: ApiClient,
  id: string,
  state: string,
): Promise<Record<string, number>> {
  const reasons: Record<string, number> = {};
  for (let cursor = ''; ;) {
    const query = new URLSearchParams({
      state,
      limit: '200',
      ...(cursor === '' ? {} : { cursor }),
    });
    const page = await client.get<{ items: Recipient[]; nextCursor: string | null }>(
      `/v1/campaigns/${id}/recipients?${query.toString()}`,
    );
    for (const { reason } of page.items)
      reasons[reason ?? 'other'] = (reasons[reason ?? 'other'] ?? 0) + 1;
    if (page.nextCursor === null) return reasons;
    cursor = page.nextCursor;
  }
}
