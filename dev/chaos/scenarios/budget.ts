import { Decimal } from 'decimal.js';
import { PRICE } from '../../demo/company';
import { launch, type Launched, type Office } from '../campaign';
import {
  look,
  messagesOf,
  openSlowOffice,
  strikeAt,
  untilState,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';

const CAMPAIGNS = 5;
const COVERED = 3.5;

const priceOf = (campaigns: readonly { recipients: number }[]): Decimal =>
  campaigns.reduce(
    (sum, { recipients }) => sum.add(new Decimal(PRICE).mul(recipients + 1)),
    new Decimal(0),
  );

const readBudget = ({ director, account }: Office) =>
  director.get<{ budget: string; used: string; reserved: string }>(
    `/v1/budgets/${account.budgetId}`,
  );

async function shareBudget(run: Run): Promise<void> {
  const { arena, random, recipients, score } = run;
  const size = Math.floor(recipients / CAMPAIGNS);
  const each = priceOf([{ recipients: size }]);
  const budget = each.mul(COVERED).toDecimalPlaces(2, Decimal.ROUND_DOWN);
  const office = await openSlowOffice(run, 10, { budget: budget.toFixed(2) });
  const campaigns = await Promise.all(
    Array.from({ length: CAMPAIGNS }, () => launch(office, size)),
  );
  const total = messagesOf(...campaigns);
  const worker = arena.workers[random.whole(0, arena.workers.length - 1)];
  if (worker === undefined) throw new Error('No worker runs.');
  // What a dead worker's batches hold is money that nobody else may spend.
  const share = random.between(0.1, 0.5);
  await strikeAt(run, { share, total, what: `${worker.name} killed` }, () => worker.kill());
  await arena.replaceWorker(worker);
  for (const campaign of campaigns) await untilState(office, campaign, 'FINISHED', 'PAUSED');
  await judgeEmpty(run, office, campaigns, budget);

  await office.director.request('PATCH', `/v1/budgets/${office.account.budgetId}`, {
    budget: priceOf(campaigns).toFixed(2, Decimal.ROUND_UP),
  });
  for (const campaign of campaigns) {
    if ((await look(office, campaign))?.state === 'PAUSED')
      await office.supervisor.post(`/v1/campaigns/${campaign.id}/resume`);
  }
  for (const campaign of campaigns) await untilState(office, campaign, 'FINISHED');
  const { unique } = await arena.place.sandbox.totals();
  score.holds('the top-up and the resume have reached everybody', unique === total);
  await settleUp(run, office, campaigns);
}

/** While the money is out: who is paused says why, and not one message more or less was sent than the money pays for. */
async function judgeEmpty(
  { arena, score, say }: Run,
  office: Office,
  campaigns: readonly Launched[],
  budget: Decimal,
): Promise<void> {
  const views = await Promise.all(campaigns.map((each) => look(office, each)));
  const paused = views.filter((view) => view?.state === 'PAUSED');
  score.notes['pausedByBudget'] = paused.length;
  score.holds('the budget runs out', paused.length > 0);
  for (const view of paused)
    score.holds(
      'a campaign without money says so',
      view?.progress.waiting?.reason === 'budget_exhausted',
    );
  const { used, reserved } = await readBudget(office);
  const { accepted } = await arena.place.sandbox.totals();
  const billed = Decimal.max(new Decimal(PRICE).mul(accepted), used);
  score.overspend(billed.minus(budget));
  score.holds('no money is held while nothing is sent', new Decimal(reserved).isZero());
  score.holds('what is left pays for nobody', budget.minus(used).lt(PRICE));
  say(`  spent ${used} of ${budget.toFixed(2)}, ${paused.length} of ${campaigns.length} paused`);
}

export const budgetScenarios: readonly Scenario[] = [
  {
    name: 'budget-shared',
    about:
      'Five campaigns at once on a budget for three and a half, a worker killed on the way; then a top-up and resumes.',
    run: shareBudget,
  },
];
