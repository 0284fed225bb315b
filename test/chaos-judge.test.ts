import { findDisagreements, RULES } from '../dev/chaos/books';
import { Score } from '../dev/chaos/report';
import { settleUp, type Desk } from '../dev/chaos/settle-up';
import { countCalls } from '../dev/chaos/silence';
import { readLedger, type Judged } from '../dev/chaos/verdict';
import { PRICE } from '../dev/demo/company';
import { SANDBOX_TOKEN } from '../dev/sandbox/index';
import { sandboxAt, type RemoteSandbox } from '../dev/sandbox/remote';
import { startCampaignBench, type CampaignBench } from './support/campaigns';
import { query } from './support/database';
import { until } from './support/until';

let world: CampaignBench;
let place: Judged & { sandbox: RemoteSandbox };
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
  const { adminUrl, sandbox } = world.bench;
  place = { adminUrl, sandbox: sandboxAt(sandbox.url) };
  // What the tables themselves refuse is to be found by the chaos, too.
  await change(`ALTER TABLE budgets DROP CONSTRAINT budgets_never_over`);
  await change(`ALTER TABLE dispatch_batches DROP CONSTRAINT dispatch_batches_check`);
}, 300_000);
beforeEach(() => place.sandbox.reset());
afterAll(() => world.stop());

const PEOPLE = 10;
/** The vendor refuses the first for good. */
const REFUSED = '+5511999990001';

const change = (statement: string, ...values: unknown[]) =>
  query(world.bench.adminUrl, statement, values);

/** A campaign of its own company that has ended well. */
async function finished({ addresses = [] as string[] } = {}) {
  const config = { idempotency: false, lookup: true };
  await place.sandbox.configure({ idempotency: 'off', journal: true });
  const own = await world.campaigner({ price: PRICE, config });
  const launched = await own.approved({ recipients: PEOPLE, addresses });
  await world.untilState(own, launched.id, 'FINISHED');
  const get = async <T>(path: string): Promise<T> =>
    (await world.api.request('GET', path, { as: own.approver })).body as T;
  const desk: Desk = { operator: { get }, director: { get }, account: own.means };
  return { desk, campaign: { ...launched, recipients: PEOPLE }, ...launched };
}

type Finished = Awaited<ReturnType<typeof finished>>;

async function judged({ desk, campaign }: Finished, allowed: Parameters<typeof settleUp>[3] = {}) {
  const score = new Score();
  score.hits = 1;
  await settleUp({ arena: { place }, score }, desk, [campaign], allowed);
  return score.line('it', 1, 0);
}

/** The vendor takes a message of this campaign that nobody of ours has sent. */
async function takeAgain({ executionId }: Finished): Promise<void> {
  const [reference] = (await readLedger(world.bench.adminUrl, executionId)).keys();
  const { status } = await fetch(`${place.sandbox.url}/v1/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reference, channel: 'sms', to: '+5511900000000', body: 'Olá' }),
  });
  expect(status).toBe(201);
}

/** Ledger and counters agree on it: one who was sent has this state. */
async function restate({ executionId }: Finished, state: string): Promise<void> {
  await change(
    `UPDATE communications SET state = $2, settled_at = NULL WHERE source_id = $1 AND position = 0`,
    executionId,
    state,
  );
  await change(
    `UPDATE dispatch_batches SET sent = sent - 1, ${state} = ${state} + 1
      WHERE execution_id = $1 AND from_position = 0`,
    executionId,
  );
}

test('a campaign that went well breaks nothing, with a refusal of the vendor and without', async () => {
  expect(await judged(await finished())).toMatchObject({ sent: PEOPLE, overspentCents: 0 });
  expect((await judged(await finished())).broken).toBeUndefined();
  await place.sandbox.reset();
  const line = await judged(await finished({ addresses: [REFUSED] }));
  expect([line.failed, line.broken]).toEqual([1, undefined]);
});

describe('the judge names', () => {
  test('whoever got a message twice, which the vendor bills twice', async () => {
    const it = await finished();
    await change(
      `UPDATE budgets SET budget = used WHERE id IN (SELECT budget_id FROM budget_charges WHERE execution_id = $1)`,
      it.executionId,
    );
    expect((await judged(it)).broken).toBeUndefined();
    await takeAgain(it);
    const line = await judged(it);
    expect(line).toMatchObject({ duplicated: 1, lost: 0, overspentCents: 8 });
    expect(line.broken).toEqual(['nobody got two messages', 'not one cent over budget']);
  });

  test('whoever has no row, or one that is not final', async () => {
    const it = await finished();
    await change(
      `DELETE FROM communications WHERE source_id = $1 AND position = 0`,
      it.executionId,
    );
    const line = await judged(it);
    expect(line.lost).toBe(1);
    expect(line.broken).toContain('everybody has a final state');
    const other = await finished();
    await restate(other, 'queued');
    const waiting = await judged(other);
    expect(waiting.lost).toBe(1);
    expect(waiting.broken).toContain('the people add up');
  });

  test('whoever is sent here and whom the vendor does not know', async () => {
    const it = await finished();
    await place.sandbox.reset();
    const line = await judged(it);
    expect(line.lost).toBe(PEOPLE);
    expect(line.broken).toContain('who is sent was taken');
  });

  test.each([
    ['failed', 'who has failed was refused by the vendor'],
    ['skipped', 'nobody is skipped without a reason of ours'],
    ['cancelled', 'nobody is cancelled whose campaign was not'],
    ['unknown', 'nobody is unknown at a vendor that can be asked'],
  ])('whoever is %s for nothing', async (state, promise) => {
    const it = await finished();
    await restate(it, state);
    const { broken } = await judged(it);
    expect(broken).toContain(promise);
    if (state !== 'unknown') expect(broken).toContain('who was taken is sent or unknown');
    const allowed = { unknownAllowed: true, cancelledAllowed: true };
    const isAllowed = state === 'unknown' || state === 'cancelled';
    expect((await judged(it, allowed)).broken?.includes(promise) ?? false).toBe(!isAllowed);
  });

  test('a report that is not of this file, or does not count its ledger', async () => {
    const it = await finished();
    const more = { ...it, campaign: { ...it.campaign, recipients: PEOPLE + 1 } };
    expect((await judged(more)).broken).toContain('everybody of the file is in the report');
    await change(
      `UPDATE communications SET state = 'unknown' WHERE source_id = $1 AND position = 0`,
      it.executionId,
    );
    expect((await judged(it)).broken).toContain('the report counts the ledger');
  });

  test('a list of the unknown that lacks one', async () => {
    const it = await finished();
    await change(
      `UPDATE dispatch_batches SET sent = sent - 1, unknown = unknown + 1 WHERE execution_id = $1 AND from_position = 0`,
      it.executionId,
    );
    expect((await judged(it, { unknownAllowed: true })).broken).toContain(
      'every unknown is listed',
    );
  });

  test('money that is held or charged for nobody, and whatever the budget does not cover', async () => {
    const it = await finished();
    await change(
      `UPDATE dispatch_batches SET reserved = 1 WHERE execution_id = $1`,
      it.executionId,
    );
    expect((await judged(it)).broken).toContain('no money is held');
    const other = await finished();
    await change(
      `UPDATE dispatch_batches SET booked = 9 WHERE execution_id = $1`,
      other.executionId,
    );
    expect((await judged(other)).broken).toContain('money is the price of the charged');
    const poor = await finished();
    await change(
      `UPDATE budgets SET budget = used - 0.05 WHERE id IN (SELECT budget_id FROM budget_charges WHERE execution_id = $1)`,
      poor.executionId,
    );
    expect(await judged(poor)).toMatchObject({ overspentCents: 5 });
  });

  test('a campaign that has not ended', async () => {
    const it = await finished();
    await change(`UPDATE campaigns SET state = 'PAUSED' WHERE id = $1`, it.id);
    expect((await judged(it)).broken).toContain('the campaign has ended');
  });
});

test('a call is counted that the vendor has read within a silence of its campaign, and no other', async () => {
  const it = await finished();
  const fromMs = Date.now();
  const silences = [{ campaigns: [it.campaign], fromMs, toMs: Infinity }];
  expect(await countCalls(place, silences)).toBe(0);
  await until('the clock has moved', () => Date.now() > fromMs);
  await takeAgain(it);
  expect(await countCalls(place, silences)).toBe(1);
  expect(await countCalls(place, [{ campaigns: [], fromMs, toMs: Infinity }])).toBe(0);
  expect(await countCalls(place, [{ campaigns: [it.campaign], fromMs, toMs: fromMs }])).toBe(0);
});

const BUDGET = 'id IN (SELECT budget_id FROM budget_charges WHERE execution_id = $1)';
const FIRST = 'source_id = $1 AND position = 0';
const ALL = 'execution_id = $1';

/** For each rule of the books, what breaks it. */
const BREACHES: readonly [rule: string, ...statements: string[]][] = [
  [
    'the counters of a batch are the counts of its ledger rows',
    `UPDATE dispatch_batches SET sent = sent - 1, delivered = delivered + 1 WHERE ${ALL}`,
  ],
  [
    'everybody before a batch’s next position has a row, and nobody from it on',
    `UPDATE dispatch_batches SET next_position = next_position - 1 WHERE ${ALL}`,
  ],
  ['no row lies outside the batches', `UPDATE communications SET position = 9999 WHERE ${FIRST}`],
  [
    'held is the cost of the rows in sending',
    `UPDATE dispatch_batches SET held = 1, reserved = 1 WHERE ${ALL}`,
  ],
  [
    'spent and booked are the cost of the rows that are accepted or unknown',
    `UPDATE communications SET cost = cost + 1 WHERE ${FIRST}`,
  ],
  [
    'what batches have booked is what was charged, in money and in messages',
    `UPDATE dispatch_batches SET charged_messages = charged_messages + 1 WHERE ${ALL}`,
    `UPDATE budget_charges SET amount = amount + 1 WHERE ${ALL}`,
  ],
  ['used is the sum of the charges', `UPDATE budgets SET used = used + 1 WHERE ${BUDGET}`],
  [
    'reserved is the sum of what batches hold',
    `UPDATE budgets SET reserved = reserved + 1 WHERE ${BUDGET}`,
  ],
  [
    'no budget is overspent, and no batch',
    `UPDATE budgets SET budget = used - 0.01 WHERE ${BUDGET}`,
    `UPDATE dispatch_batches SET spent = reserved + 1 WHERE ${ALL}`,
  ],
  [
    'a closed batch has nobody left and no money',
    `UPDATE dispatch_batches SET reserved = 1 WHERE ${ALL}`,
    `UPDATE dispatch_batches SET sending = 1 WHERE ${ALL}`,
  ],
  [
    'a waiting batch will be looked at no later than its first deferred person is due',
    `UPDATE dispatch_batches SET state = 'waiting', next_due = NULL WHERE ${ALL}`,
    `UPDATE dispatch_batches SET queued = 1, next_due = now() WHERE ${ALL}`,
  ],
  [
    'a row in sending has a mark and a lease, a deferred one a moment',
    `UPDATE communications SET state = 'sending', mark_id = NULL WHERE ${FIRST}`,
    `UPDATE communications SET state = 'queued', not_before = NULL WHERE ${FIRST}`,
  ],
  [
    'every ended execution has a final row for everybody',
    `DELETE FROM communications WHERE ${FIRST}`,
    `UPDATE communications SET state = 'sending' WHERE ${FIRST}`,
    `UPDATE dispatch_batches SET state = 'open' WHERE ${ALL}`,
  ],
];

test('every rule of the books has its breach here', () => {
  expect(BREACHES.map(([rule]) => rule)).toEqual(RULES);
});

test.each(BREACHES)('the books say when it does not hold: %s', async (rule, ...statements) => {
  for (const statement of statements) {
    const { executionId } = await finished();
    expect(await findDisagreements(place.adminUrl, [executionId])).toEqual([]);
    await change(statement, executionId);
    const found = await findDisagreements(place.adminUrl, [executionId]);
    expect([statement, found.map((each) => each.rule)]).toEqual([
      statement,
      expect.arrayContaining([rule]),
    ]);
  }
});
