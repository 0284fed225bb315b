import { randomUUID } from 'node:crypto';
import { inFlightForMs } from '../prisma/campaign-executions';
import { applyDueEvents } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import { remarkPeople, type HeldBatch } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { query } from './support/database';
import {
  accepted,
  claim,
  mark,
  move,
  settle,
  startRace,
  statesOf,
  type Race,
} from './support/races';
import { openWorkshop, shown, type Workshop } from './support/turns';
import { storeDelivered } from './support/unknowns';
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
    const { race, batch, second } = repeated;
    await prove(repeated);
    expect(await statesOf(shop, race)).not.toContain('sending');
    await move(shop.db, race, 'pause');
    expect(await shop.activities.finishPause(race)).toBeGreaterThan(0);
    expect((await shown(shop, race)).state).toBe('PAUSING');
    // Its answer, or its lease, is its end.
    await query(
      shop.adminUrl,
      `UPDATE communications SET call_before = clock_timestamp() WHERE source_id = $1 AND mark_id = $2`,
      [race.executionId, second],
    );
    expect(await shop.activities.finishPause(race)).toBe(0);
    expect((await shown(shop, race)).state).toBe('PAUSED');
    await closeBatch(shop.db, batch, batch);
  });

  test('a cancel does too', async () => {
    const repeated = await repeatOne();
    const { race, second } = repeated;
    await prove(repeated);
    await move(shop.db, race, 'cancel');
    expect(await shop.activities.finishCancel(race)).toBeGreaterThan(0);
    expect((await shown(shop, race)).state).toBe('CANCELLING');
    await query(
      shop.adminUrl,
      `UPDATE communications SET call_before = clock_timestamp() WHERE source_id = $1 AND mark_id = $2`,
      [race.executionId, second],
    );
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
