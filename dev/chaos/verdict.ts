import { Decimal } from 'decimal.js';
import { Client } from 'pg';
import {
  addsUp,
  messageReference,
  type MessageState,
  type PeopleCounts,
} from '../../domain/communications';
import { isTerminal } from '../../domain/campaigns';
import type { CampaignView } from '../demo/campaign';
import { PRICE } from '../demo/company';
import type { ApiClient } from '../demo/http';
import type { RemoteSandbox } from '../sandbox/remote';
import type { Launched } from './campaign';

/** What a verdict is found in. */
export interface Judged {
  sandbox: Pick<RemoteSandbox, 'accepted' | 'totals'>;
  /** The superuser's connection to the application's database. */
  adminUrl: string;
}

/** What became of a campaign, by us and by the vendor. */
export interface Verdict {
  counts: PeopleCounts;
  /** Control contacts. */
  fish: PeopleCounts;
  money: CampaignView['progress']['money'];
  /** Messages that the vendor has taken: it bills each, a repeated one too. */
  taken: number;
  /** People whose message the vendor has taken more than once. */
  duplicated: number;
  /** People without a final state, or who are `sent` here and whom the vendor does not know. */
  lost: number;
  /** Promises that do not hold, in words. */
  wrong: string[];
}

const NOT_FINAL: readonly MessageState[] = ['queued', 'sending'];
const NOT_SENT: readonly MessageState[] = ['failed', 'skipped', 'cancelled'];

/** Holds the report of a campaign that has ended, and each row of its ledger, against what the vendor has truly taken. */
export async function judge(
  { sandbox, adminUrl }: Judged,
  { operator }: { operator: Pick<ApiClient, 'get'> },
  { id, executionId, recipients }: Launched,
): Promise<Verdict> {
  const { progress, state } = await operator.get<CampaignView>(`/v1/campaigns/${id}`);
  const { counts, fish, money } = progress;
  const ledger = await readLedger(adminUrl, executionId);
  const prefix = [...ledger.keys()][0]?.replace(/\d+\.0\.\w+$/, '') ?? executionId;
  const taken = new Map<string, number>();
  const accepted = await sandbox.accepted({ prefix });
  for (const { reference } of accepted) taken.set(reference, (taken.get(reference) ?? 0) + 1);

  const inState = (...states: readonly MessageState[]): string[] =>
    [...ledger].flatMap(([reference, state]) => (states.includes(state) ? [reference] : []));
  const people = recipients + fish.recipients;
  const unreached = people - ledger.size + inState(...NOT_FINAL).length;
  const vanished = inState(...SENT).filter((reference) => !taken.has(reference)).length;
  const denied = inState(...NOT_SENT).filter((reference) => taken.has(reference)).length;
  const duplicated = [...taken.values()].filter((times) => times > 1).length;
  const sent = counts.sent + fish.sent;
  const charged = sent + counts.unknown + fish.unknown;

  const wrong: string[] = [];
  const check = (name: string, holds: boolean): void => {
    if (!holds) wrong.push(name);
  };
  check('the campaign has ended', isTerminal(state));
  check('everybody of the file is in the report', counts.recipients === recipients);
  check('the people add up', addsUp(counts) && addsUp(fish));
  check('the report counts the ledger', sent === inState(...SENT).length);
  check('nobody got two messages', duplicated === 0);
  check('everybody has a final state', unreached === 0);
  check('who is sent was taken', vanished === 0);
  check('who was taken is sent or unknown', denied === 0);
  check('money is the price of the charged', new Decimal(PRICE).mul(charged).eq(money.used));
  check('no money is held', new Decimal(money.reserved).isZero());
  const lost = unreached + vanished;
  return { counts, fish, money, taken: accepted.length, duplicated, lost, wrong };
}

const SENT: readonly MessageState[] = ['sent', 'delivered', 'read', 'clicked', 'undelivered'];

/** The state of everybody who has a row, by our reference; without the API, whose counters are to be judged. */
export async function readLedger(
  adminUrl: string,
  executionId: string,
): Promise<Map<string, MessageState>> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ month: string; position: number; state: MessageState }>(
      `SELECT ledger_month::text AS month, position, state FROM communications WHERE source_id = $1`,
      [executionId],
    );
    return new Map(
      rows.map(({ month: ledgerMonth, position, state }) => [
        messageReference({ ledgerMonth, sourceId: executionId, position, step: 0, channel: 'sms' }),
        state,
      ]),
    );
  } finally {
    await client.end();
  }
}
