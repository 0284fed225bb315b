import { createHash } from 'node:crypto';
import { messageReference } from '../domain/communications';
import { applyDueEvents, storeEvents, type InboxEvent } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { createBroker, createCredential } from './support/factories';
import {
  accepted,
  budgetOf,
  claim,
  createField,
  ledger,
  mark,
  settle,
  startRace,
  statesOf,
  type Field,
  type Race,
} from './support/races';
import type { HeldBatch } from '../prisma/dispatch/messages';

let field: Field;
beforeAll(async () => {
  field = await createField();
});
afterEach(() => expectBooksAgree(field));
afterAll(() => field.drop());

interface Scenario {
  race: Race;
  batch: HeldBatch;
  markId: string;
}

async function markAll(recipients: number): Promise<Scenario> {
  const race = await startRace(field, { recipients });
  const batch = await claim(field.db, race);
  const { markId } = await mark(field.db, batch, { leaseMs: 1 });
  return { race, batch, markId };
}

const referenceOf = ({ executionId }: Race, position: number): string =>
  messageReference({
    ledgerMonth: `${new Date().toISOString().slice(0, 7)}-01`,
    sourceId: executionId,
    position,
    step: 0,
    channel: 'sms',
  });

/** One event by our own reference, with an id that its content decides. */
function about(race: Race, position: number, status: InboxEvent['status']): InboxEvent {
  const reference = referenceOf(race, position);
  return {
    eventId: createHash('sha256').update(`${reference}/${status}`).digest('hex'),
    providerId: null,
    reference,
    status,
    errorCode: status === 'failed' ? 'unreachable' : null,
    occurredAt: new Date(),
  };
}

const store = async ({ companyId, scene }: Race, ...events: InboxEvent[]): Promise<number> => {
  const { credentialId } = scene;
  return (await storeEvents(field.db, { companyId, credentialId }, events)).length;
};

async function tell(race: Race, ...events: InboxEvent[]): Promise<void> {
  await store(race, ...events);
  await apply();
}

/** Moments are kept to the millisecond, so that what has just come may be due in half of one. */
async function apply(limit = 100): Promise<void> {
  await query(
    field.adminUrl,
    `UPDATE webhook_inbox SET next_attempt_at = now() WHERE attempts = 0 AND state = 'pending'`,
  );
  await applyDueEvents(field.db, limit);
}

const inboxOf = ({ companyId }: Race): Promise<Record<string, unknown>[]> =>
  query(field.adminUrl, 'SELECT state, attempts FROM webhook_inbox WHERE company_id = $1', [
    companyId,
  ]);

test('states only move forward, in whatever order the events come', async () => {
  const { race, batch, markId } = await markAll(4);
  await settle(
    field.db,
    batch,
    markId,
    [0, 1, 2, 3].map((each) => accepted(each)),
  );
  await tell(race, about(race, 0, 'read'), about(race, 1, 'failed'), about(race, 2, 'failed'));
  expect(await statesOf(field, race)).toEqual(['read', 'undelivered', 'undelivered', 'sent']);
  await tell(race, about(race, 0, 'delivered'), about(race, 1, 'delivered'));
  expect(await statesOf(field, race)).toEqual(['read', 'delivered', 'undelivered', 'sent']);
  const [row, second] = await ledger(field, race);
  expect(row?.['delivered_at']).not.toBeNull();
  expect(second).toMatchObject({ reason: null });
});

test('several events about one person at once apply as the highest of them', async () => {
  const { race, batch, markId } = await markAll(1);
  await settle(field.db, batch, markId, [accepted(0)]);
  const events = (['failed', 'clicked', 'accepted', 'delivered', 'read'] as const).map((status) =>
    about(race, 0, status),
  );
  await tell(race, ...events);
  expect(await statesOf(field, race)).toEqual(['clicked']);
  expect((await inboxOf(race)).map(({ state }) => state)).toEqual(Array(5).fill('applied'));
});

test('a repeated event is stored once and counted once', async () => {
  const { race, batch, markId } = await markAll(1);
  await settle(field.db, batch, markId, [accepted(0)]);
  expect(await store(race, about(race, 0, 'delivered'))).toBe(1);
  expect(await store(race, about(race, 0, 'delivered'))).toBe(0);
  await apply();
  await tell(race, about(race, 0, 'delivered'));
  expect(await inboxOf(race)).toEqual([{ state: 'applied', attempts: 1 }]);
});

test('an event before the settle proves the acceptance and moves the money; the settle then changes nothing', async () => {
  const { race, batch, markId } = await markAll(1);
  await tell(race, about(race, 0, 'delivered'));
  expect(await statesOf(field, race)).toEqual(['delivered']);
  expect(await settle(field.db, batch, markId, [accepted(0)])).toMatchObject({ changed: 0 });
  expect(await closeBatch(field.db, batch, batch)).toBe('closed');
  expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.05, reserved: 0 });
  // The vendor's id was not in the event, so it comes from the settle.
  expect((await ledger(field, race))[0]).toMatchObject({ provider_message_id: 'vendor-0' });
});

test('an event by the vendor’s id alone waits until our settle has told that id', async () => {
  const { race, batch, markId } = await markAll(1);
  await tell(race, { ...about(race, 0, 'delivered'), reference: null, providerId: 'vendor-0' });
  expect(await inboxOf(race)).toEqual([{ state: 'pending', attempts: 1 }]);
  await settle(field.db, batch, markId, [accepted(0)]);
  await query(field.adminUrl, 'UPDATE webhook_inbox SET next_attempt_at = now()');
  await applyDueEvents(field.db, 100);
  expect(await statesOf(field, race)).toEqual(['delivered']);
});

test('an event about an unknown person proves that the message was taken', async () => {
  const { race, batch, markId } = await markAll(2);
  const silence = { outcome: 'unknown' as const, code: 'TIMEOUT' };
  await settle(field.db, batch, markId, [
    { position: 0, ...silence },
    { position: 1, ...silence },
  ]);
  await closeBatch(field.db, batch, batch);
  await tell(race, about(race, 0, 'accepted'), about(race, 1, 'failed'));
  expect(await statesOf(field, race)).toEqual(['sent', 'undelivered']);
  expect(await budgetOf(field, race.scene)).toMatchObject({ used: 0.1, reserved: 0 });
});

test('who was put back, refused or cancelled and has got it all the same is not sent to again', async () => {
  const { race, batch, markId } = await markAll(4);
  await settle(field.db, batch, markId, [
    { position: 0, outcome: 'queued', code: 'not_found', delayMs: 0 },
    { position: 1, outcome: 'failed', code: 'invalid_number' },
    { position: 2, outcome: 'queued', code: 'not_found', delayMs: 0 },
    { position: 3, outcome: 'failed', code: 'invalid_number' },
  ]);
  // That it did not arrive proves nothing about people whom the vendor had refused.
  await tell(race, about(race, 0, 'delivered'), about(race, 1, 'read'), about(race, 3, 'failed'));
  const rows = await ledger(field, race);
  expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
    ['delivered', 'late_acceptance'],
    ['read', 'late_acceptance'],
    ['queued', 'not_found'],
    ['failed', 'invalid_number'],
  ]);
  expect((await mark(field.db, batch)).positions).toEqual([2]);
});

test('an event that matches nothing is tried again, ever more slowly, and given up when it is too old', async () => {
  const { race } = await markAll(1);
  const lost = { ...about(race, 0, 'delivered'), reference: null, providerId: 'of-somebody-else' };
  await tell(race, lost);
  await applyDueEvents(field.db, 100);
  expect(await inboxOf(race)).toEqual([{ state: 'pending', attempts: 1 }]);
  await query(
    field.adminUrl,
    `UPDATE webhook_inbox SET next_attempt_at = now(), received_at = now() - interval '4 days' WHERE company_id = $1`,
    [race.companyId],
  );
  await applyDueEvents(field.db, 100);
  expect(await inboxOf(race)).toEqual([{ state: 'expired', attempts: 2 }]);
});

test.each([
  ['nothing of ours', 'olá'],
  ['a month that does not exist', '202613.00000000-0000-4000-8000-000000000000.0.0.sms'],
  [
    'a position beyond every audience',
    '202611.00000000-0000-4000-8000-000000000000.999999999.0.sms',
  ],
  ['an injected quote', "202611.'; DROP TABLE communications; --.0.0.sms"],
])('a reference that is %s moves nothing and breaks nothing', async (_, reference) => {
  const { race } = await markAll(1);
  await tell(race, { ...about(race, 0, 'delivered'), reference });
  expect(await inboxOf(race)).toEqual([{ state: 'pending', attempts: 1 }]);
  expect(await statesOf(field, race)).toEqual(['sending']);
});

test('one company’s event cannot move another company’s message', async () => {
  const { race: victim } = await markAll(1);
  const { race: forger } = await markAll(1);
  await tell(forger, about(victim, 0, 'delivered'));
  expect(await statesOf(field, victim)).toEqual(['sending']);
  expect(await inboxOf(forger)).toEqual([{ state: 'pending', attempts: 1 }]);
});

test('one account’s event cannot move a message of another account of the same company', async () => {
  const { race } = await markAll(1);
  const { companyId, scene } = race;
  const brokerId = await createBroker(field.db, companyId);
  const credentialId = await createCredential(field.db, companyId, {
    walletId: scene.walletId,
    brokerId,
  });
  await storeEvents(field.db, { companyId, credentialId }, [
    about(race, 0, 'delivered'),
    { ...about(race, 0, 'read'), reference: null, providerId: 'vendor-0' },
  ]);
  await apply();
  expect(await statesOf(field, race)).toEqual(['sending']);
});

test('two appliers at once share the work and apply nothing twice', async () => {
  const { race, batch, markId } = await markAll(60);
  const positions = Array.from({ length: 60 }, (_, i) => i);
  await settle(
    field.db,
    batch,
    markId,
    positions.map((each) => accepted(each)),
  );
  await store(
    race,
    ...positions.flatMap((each) => [about(race, each, 'delivered'), about(race, each, 'read')]),
  );
  await Promise.all(Array.from({ length: 6 }, () => applyDueEvents(field.db, 30)));
  await apply(120);
  expect(await inboxOf(race)).toEqual(
    Array.from({ length: 120 }, () => ({ state: 'applied', attempts: 1 })),
  );
  expect(new Set(await statesOf(field, race))).toEqual(new Set(['read']));
});
