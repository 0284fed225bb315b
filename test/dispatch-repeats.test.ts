import { randomUUID } from 'node:crypto';
import { inFlightForMs } from '../prisma/campaign-executions';
import { applyDueEvents } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import { remarkPeople, type HeldBatch } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { query } from './support/database';
import { createScene } from './support/executions';
import {
  accepted,
  claim,
  ledger,
  mark,
  move,
  settle,
  startRace,
  statesOf,
  type Race,
} from './support/races';
import { openWorkshop, shown, type Workshop } from './support/turns';
import { decide, silence, storeDelivered } from './support/unknowns';
import { until } from './support/until';
import { expectBooksAgree } from './support/books';

/** What becomes of somebody who is called more than once. */

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => expectBooksAgree(shop));
afterAll(() => shop.drop());

/** Far longer than a test, so that it is over only when something says so. */
const LEASE_MS = 600_000;

interface Repeated {
  race: Race;
  batch: HeldBatch;
  first: string;
  second: string;
}

/** One person whose first call ended without an answer, and whose second one may begin for ten minutes. */
async function repeatOne(): Promise<Repeated> {
  const race = await startRace(shop, { recipients: 1 });
  const batch = await claim(shop.db, race);
  const { markId: first } = await mark(shop.db, batch);
  const second = randomUUID();
  await remarkPeople(shop.db, batch, {
    markId: second,
    positions: [0],
    endedMarks: [first],
    leaseMs: LEASE_MS,
    graceMs: 0,
  });
  return { race, batch, first, second };
}

const inFlight = ({ companyId, executionId }: Race): Promise<number> =>
  withTenant(shop.db, companyId, (tx) => inFlightForMs(tx, executionId));

/** From now on the second call cannot begin any more. */
const endLease = ({ race, second }: Repeated): Promise<unknown> =>
  query(
    shop.adminUrl,
    `UPDATE communications SET call_before = clock_timestamp() WHERE source_id = $1 AND mark_id = $2`,
    [race.executionId, second],
  );

const proofs: [string, (repeated: Repeated) => Promise<void>][] = [
  [
    'a callback',
    async ({ race }) => {
      await storeDelivered(shop, race, 0);
      await applyDueEvents(shop.db, 10);
    },
  ],
  [
    'its answer',
    async ({ batch, first }) => void (await settle(shop.db, batch, first, [accepted(0)])),
  ],
];

describe.each(proofs)('when %s proves the first call while the second may begin', (_, prove) => {
  test('a pause waits for the second', async () => {
    const repeated = await repeatOne();
    const { race, batch } = repeated;
    await prove(repeated);
    expect(await statesOf(shop, race)).not.toContain('sending');
    await move(shop.db, race, 'pause');
    expect(await shop.activities.finishPause(race)).toBeGreaterThan(0);
    expect((await shown(shop, race)).state).toBe('PAUSING');
    await endLease(repeated);
    expect(await shop.activities.finishPause(race)).toBe(0);
    expect((await shown(shop, race)).state).toBe('PAUSED');
    await closeBatch(shop.db, batch, batch);
  });

  test('a cancel does too', async () => {
    const repeated = await repeatOne();
    const { race } = repeated;
    await prove(repeated);
    await move(shop.db, race, 'cancel');
    expect(await shop.activities.finishCancel(race)).toBeGreaterThan(0);
    expect((await shown(shop, race)).state).toBe('CANCELLING');
    await endLease(repeated);
    expect(await shop.activities.finishCancel(race)).toBe(0);
    expect((await shown(shop, race)).state).toBe('CANCELLED');
  });
});

test('a second call that has answered holds up no pause', async () => {
  const { race, batch, second } = await repeatOne();
  expect(await inFlight(race)).toBeGreaterThan(0);
  await settle(shop.db, batch, second, [accepted(0)]);
  expect(await inFlight(race)).toBe(0);
});

describe('somebody who was called, was to be called again, and was then refused by the gate', () => {
  async function skipCalled(): Promise<{ race: Race; batch: HeldBatch; markId: string }> {
    const scene = await createScene(shop);
    const race = await startRace(shop, { recipients: 1 }, scene);
    const batch = await claim(shop.db, race);
    const { markId } = await mark(shop.db, batch, { leaseMs: 1 });
    await settle(shop.db, batch, markId, [silence(0)]);
    await closeBatch(shop.db, batch, batch);
    await decide(shop, race, 'again');
    await query(
      shop.adminUrl,
      `INSERT INTO opt_outs (company_id, channel, address, reason)
       SELECT company_id, channel, address, 'pediu' FROM communications WHERE source_id = $1`,
      [race.executionId],
    );
    const again = await claim(shop.db, race);
    expect(await mark(shop.db, again)).toMatchObject({ positions: [] });
    expect(await closeBatch(shop.db, again, again)).toBe('closed');
    expect(await statesOf(shop, race)).toEqual(['skipped']);
    return { race, batch, markId };
  }

  const expectLate = async (race: Race, state: string): Promise<void> =>
    expect(await ledger(shop, race)).toMatchObject([{ state, reason: 'late_acceptance', cost: 0 }]);

  test('is delivered when a callback about the first call says so', async () => {
    const { race } = await skipCalled();
    await storeDelivered(shop, race, 0);
    await applyDueEvents(shop.db, 10);
    await expectLate(race, 'delivered');
  });

  test('is sent when the first call’s answer comes at last', async () => {
    const { race, batch, markId } = await skipCalled();
    expect(await settle(shop.db, batch, markId, [accepted(0)])).toMatchObject({ late: 1 });
    await expectLate(race, 'sent');
  });
});

test('somebody whom the gate refused before any call is not moved by a callback', async () => {
  const scene = await createScene(shop);
  const race = await startRace(shop, { recipients: 1 }, scene);
  await query(
    shop.adminUrl,
    `UPDATE campaign_recipients r SET skip_reason = 'invalid' FROM campaign_executions e
     WHERE e.id = $1 AND r.audience_id = e.audience_id`,
    [race.executionId],
  );
  await mark(shop.db, await claim(shop.db, race));
  await storeDelivered(shop, race, 0);
  await applyDueEvents(shop.db, 10);
  expect(await statesOf(shop, race)).toEqual(['skipped']);
});

test('a try that the vendor has answered does not count: after twenty times "later" the next is the first', async () => {
  const race = await startRace(shop, { recipients: 1 });
  const batch = await claim(shop.db, race);
  const triesOf = async (): Promise<unknown> => (await ledger(shop, race))[0]!['tries'];
  for (let nth = 1; nth <= 20; nth += 1) {
    const { markId } = await markWhenDue(batch);
    await settle(shop.db, batch, markId, [
      { position: 0, outcome: 'queued', code: 'THROTTLED', delayMs: 0 },
    ]);
  }
  const { markId } = await markWhenDue(batch);
  expect(await triesOf()).toBe(1);
  // Nobody answered, and the vendor knows nothing of it: that one does.
  await settle(shop.db, batch, markId, [
    { position: 0, outcome: 'queued', code: 'not_found', delayMs: 0 },
  ]);
  await markWhenDue(batch);
  expect(await triesOf()).toBe(2);
});

async function markWhenDue(batch: HeldBatch): Promise<{ markId: string }> {
  let marked: { markId: string; positions: number[] } | undefined;
  await until('somebody is due', async () => {
    marked = await mark(shop.db, batch);
    return marked.positions.length > 0;
  });
  return marked!;
}
