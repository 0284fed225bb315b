import { Decimal } from 'decimal.js';
import { PRICE, type DemoAccount } from '../demo/company';
import type { ApiClient } from '../demo/http';
import { findDisagreements } from './books';
import type { Launched } from './campaign';
import type { Score } from './report';
import { judge, type Judged } from './verdict';

/** Who is asked about campaigns that have ended. */
export interface Desk {
  operator: Pick<ApiClient, 'get'>;
  director: Pick<ApiClient, 'get'>;
  account: Pick<DemoAccount, 'budgetId'>;
}

interface SettleUp {
  arena: { place: Judged };
  score: Score;
}

interface Allowed {
  /** The vendor has neither keys nor a look-up. */
  unknownAllowed?: boolean;
  /** They were cancelled on the way. */
  cancelledAllowed?: boolean;
}

/** Judges campaigns that have ended, and are all that has used the office's account and this vendor. */
export async function settleUp(
  { arena: { place }, score }: SettleUp,
  office: Desk,
  campaigns: readonly Launched[],
  { unknownAllowed = false, cancelledAllowed = false }: Allowed = {},
): Promise<void> {
  let taken = 0;
  let failed = 0;
  for (const campaign of campaigns) {
    const verdict = await judge(place, office, campaign);
    const { counts, fish } = verdict;
    score.take(verdict, unknownAllowed);
    taken += verdict.taken;
    failed += counts.failed + fish.failed;
    const listed = await countUnknown(office, campaign);
    score.holds('every unknown is listed', listed === counts.unknown + fish.unknown);
    score.holds('nobody is skipped without a reason of ours', counts.skipped + fish.skipped === 0);
    score.holds(
      'nobody is cancelled whose campaign was not',
      cancelledAllowed || counts.cancelled + fish.cancelled === 0,
    );
  }
  const { rejected } = await place.sandbox.totals();
  score.holds('who has failed was refused by the vendor', failed === rejected);
  const ids = campaigns.map(({ executionId }) => executionId);
  for (const { rule, found } of await findDisagreements(place.adminUrl, ids))
    score.breaks(`${rule}: ${JSON.stringify(found).slice(0, 300)}`);
  const budget = await office.director.get<{ budget: string; used: string }>(
    `/v1/budgets/${office.account.budgetId}`,
  );
  // By what the vendor will put on its bill, whatever we have booked.
  const billed = Decimal.max(new Decimal(PRICE).mul(taken), budget.used);
  score.overspend(billed.minus(budget.budget));
}

/** People whom the list of the unknown names, control contacts among them. */
async function countUnknown({ operator }: Desk, { id }: Launched): Promise<number> {
  let count = 0;
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = new URLSearchParams({ state: 'unknown', limit: '200' });
    if (cursor !== '') query.set('cursor', cursor);
    const page: { items: unknown[]; nextCursor: string | null } = await operator.get(
      `/v1/campaigns/${id}/recipients?${query.toString()}`,
    );
    count += page.items.length;
    cursor = page.nextCursor;
  }
  return count;
}
