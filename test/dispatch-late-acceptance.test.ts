import { applyDueEvents } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import type { Settlement } from '../prisma/dispatch/messages';
import { withTenant } from '../prisma/tenant';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import {
  claim,
  createField,
  hold,
  mark,
  move,
  settle,
  startRace,
  statesOf,
  untilBlockedBy,
  type Field,
  type Race,
} from './support/races';
import {
  decide,
  decideIn,
  silence,
  startUnheard,
  storeDelivered,
  type Unheard,
} from './support/unknowns';

/** A callback, or an answer, says that somebody was reached who was to be sent again. */

let field: Field;
jest.setTimeout(60_000);
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

const HALF_A_DAY_MS = 12 * 3_600_000;

async function deliver(race: Race, position: number): Promise<void> {
  await storeDelivered(field, race, position);
  await applyDueEvents(field.db, 100);
}

const toldOf = async ({ executionId }: Race): Promise<number> => {
  const notes = await query(field.adminUrl, 'SELECT FROM outbox WHERE subject_id = $1', [
    executionId,
  ]);
  return notes.length;
};

describe('in the execution itself', () => {
  test('the rest of a batch is marked though the one who was due is not there any more', async () => {
    const race = await startRace(field, { recipients: 4 });
    await query(
      field.adminUrl,
      `UPDATE campaign_recipients r SET time_zone = 'America/Manaus' FROM campaign_executions e
       WHERE e.id = $1 AND r.audience_id = e.audience_id AND r.position = 1`,
      [race.executionId],
    );
    const batch = await claim(field.db, race);
    // Position 0 is called and never answered, 1 waits for its zone until tomorrow, 2 and 3 are not reached yet.
    const closedZones = [{ zone: 'America/Manaus', opensAtMs: Date.now() + HALF_A_DAY_MS }];
    const first = await mark(field.db, batch, { limit: 2, leaseMs: 1, closedZones });
    expect(first).toMatchObject({ positions: [0], more: true });
    await settle(field.db, batch, first.markId, [silence(0)]);
    await closeBatch(field.db, batch, batch);
    await move(field.db, race, 'pause');
    await move(field.db, race, 'paused');
    expect(await decide(field, race, 'again')).toMatchObject({ decided: 1 });
    await deliver(race, 0);
    expect(await statesOf(field, race)).toEqual(['delivered', 'queued']);
    await move(field.db, race, 'resume');
    const again = await claim(field.db, race);
    expect(await mark(field.db, again, { closedZones })).toMatchObject({
      positions: [],
      more: true,
    });
    expect(await mark(field.db, again, { closedZones })).toMatchObject({ positions: [2, 3] });
  });

  test('a batch whose last deferred person is reached ends now, and the lanes are told', async () => {
    const race = await startRace(field, { recipients: 1 });
    const closedZones = [{ zone: 'America/Sao_Paulo', opensAtMs: Date.now() + HALF_A_DAY_MS }];
    const batch = await claim(field.db, race);
    const first = await mark(field.db, batch, { leaseMs: 1 });
    await settle(field.db, batch, first.markId, [silence(0)]);
    await closeBatch(field.db, batch, batch);
    await decide(field, race, 'again');
    const again = await claim(field.db, race);
    expect(await mark(field.db, again, { closedZones })).toMatchObject({ positions: [] });
    expect(await closeBatch(field.db, again, again)).toBe('waiting');
    const before = await toldOf(race);
    await deliver(race, 0);
    expect(await toldOf(race)).toBe(before + 1);
    const last = await claim(field.db, race);
    expect(await mark(field.db, last, { closedZones })).toMatchObject({
      positions: [],
      more: false,
    });
    expect(await closeBatch(field.db, last, last)).toBe('closed');
    await move(field.db, race, 'finish');
  });
});

describe('after its end, when another execution has taken them over', () => {
  /** Two people of whom nobody has heard, in an execution that has ended. */
  async function endUnheard(): Promise<Unheard> {
    const unheard = await startUnheard(field, { recipients: 2 });
    await closeBatch(field.db, unheard.batch, unheard.batch);
    await move(field.db, unheard.race, 'finish');
    return unheard;
  }

  async function sendAgain(race: Race): Promise<Race> {
    const { executionId } = await decide(field, race, 'again');
    return { ...race, executionId: executionId ?? '' };
  }

  async function expectOnlySecondSent(retry: Race): Promise<void> {
    await move(field.db, retry, 'start');
    const batch = await claim(field.db, retry);
    const { markId, positions } = await mark(field.db, batch);
    expect(positions).toEqual([1]);
    await settle(field.db, batch, markId, [{ position: 1, outcome: 'sent', providerId: 'v-1' }]);
    expect(await closeBatch(field.db, batch, batch)).toBe('closed');
    const rows = await query(
      field.adminUrl,
      'SELECT state, reason, cost::text FROM communications WHERE source_id = $1 AND position = 0',
      [retry.executionId],
    );
    expect(rows).toEqual([{ state: 'skipped', reason: 'late_acceptance', cost: '0.0000' }]);
    await move(field.db, retry, 'finish');
  }

  test('whom a callback proves to have the first message before the second is marked', async () => {
    const { race } = await endUnheard();
    const retry = await sendAgain(race);
    await deliver(race, 0);
    await expectOnlySecondSent(retry);
  });

  test('whom an answer that came late proves to have it', async () => {
    const { race, batch, markId } = await endUnheard();
    const retry = await sendAgain(race);
    await settle(field.db, batch, markId, [{ position: 0, outcome: 'sent', providerId: 'v-0' }]);
    await expectOnlySecondSent(retry);
  });

  /** Both people were sent to again by a second execution, which has ended and has not heard of them either. */
  async function endTwiceUnheard(): Promise<Unheard & { second: Race }> {
    const unheard = await endUnheard();
    const second = await sendAgain(unheard.race);
    await move(field.db, second, 'start');
    const batch = await claim(field.db, second);
    const { markId } = await mark(field.db, batch, { leaseMs: 1 });
    await settle(field.db, batch, markId, [silence(0), silence(1)]);
    await closeBatch(field.db, batch, batch);
    await move(field.db, second, 'finish');
    return { ...unheard, second };
  }

  const sentLate: Settlement[] = [{ position: 0, outcome: 'sent', providerId: 'v-0' }];

  test('whom the first execution proves to have it while a third is taking them from the second', async () => {
    const { race, batch, markId, second } = await endTwiceUnheard();
    const third = withTenant(field.db, race.companyId, async (tx) => {
      const { executionId } = await decideIn(tx, second, 'again');
      const [row] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      const answer = settle(field.db, batch, markId, sentLate);
      await untilBlockedBy(field, { pid: row!.pid });
      return { answer, executionId: executionId! };
    });
    const { answer, executionId } = await third;
    expect(await answer).toMatchObject({ late: 1 });
    await expectOnlySecondSent({ ...race, executionId });
  });

  test('whom the first execution was just proving to have it when a third takes them from the second', async () => {
    const { batch, markId, second } = await endTwiceUnheard();
    const proving = await hold(field);
    await settle(proving.db, batch, markId, sentLate);
    const third = sendAgain(second);
    await untilBlockedBy(field, proving);
    await proving.commit();
    await expectOnlySecondSent(await third);
  });

  test.each(['after', 'before'])(
    'whom the first execution proves to have it %s a third has taken them from the second',
    async (order) => {
      const { race, second } = await endTwiceUnheard();
      if (order === 'before') await deliver(race, 0);
      const third = await sendAgain(second);
      if (order === 'after') await deliver(race, 0);
      await expectOnlySecondSent(third);
    },
  );
});
