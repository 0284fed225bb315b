import { offerChanges, type CampaignOffer } from '../domain/campaign-offers';
import {
  estimatedEnd,
  ratePerSecond,
  tallyExecutions,
  whyWaiting,
  type ExecutionTally,
} from '../domain/campaign-progress';
import type { CampaignState, ExecutionState } from '../domain/campaigns';
import { addsUp, MESSAGE_STATES, type StateCounts } from '../domain/communications';

const states = (counts: Partial<StateCounts>): StateCounts =>
  Object.fromEntries(MESSAGE_STATES.map((state) => [state, counts[state] ?? 0])) as StateCounts;

const execution = (
  recipients: number,
  people: Partial<StateCounts>,
  isRetry = false,
): ExecutionTally => ({
  isRetry,
  recipients,
  fish: 0,
  people: states(people),
  fishPeople: states({}),
  reserved: '0',
  used: '1.0500',
});

describe('a campaign with retries', () => {
  const first = execution(100, { sent: 80, failed: 20 });

  test('counts everybody once, as what became of them last', () => {
    const again = execution(15, { sent: 10, failed: 5 }, true);
    const { counts, money } = tallyExecutions([again, first]);
    expect(counts).toMatchObject({ recipients: 100, sent: 90, failed: 10, waiting: 0 });
    expect(addsUp(counts)).toBe(true);
    expect(money.used).toBe('2.1000');
  });

  test('counts whoever was accepted after all as what the retry has made of them', () => {
    const late = execution(100, { sent: 81, delivered: 2, failed: 17 });
    const again = execution(15, { sent: 10, failed: 5 }, true);
    const { counts } = tallyExecutions([again, late], states({ sent: 1, delivered: 2 }));
    expect(counts).toMatchObject({ recipients: 100, sent: 90, delivered: 0, failed: 10 });
    expect(addsUp(counts)).toBe(true);
  });

  test('counts those who are tried again as waiting', () => {
    const { counts } = tallyExecutions([execution(15, {}, true), first]);
    expect(counts).toMatchObject({ recipients: 100, sent: 80, failed: 5, waiting: 15 });
  });
});

describe('pace and end', () => {
  const started = new Date(0);
  const pace = {
    state: 'PROCESSING',
    startedAt: started,
    people: states({ sent: 500 }),
    recipients: 1_000,
    recent: 0,
  };

  test('come from the last half minute, else from the start', () => {
    expect(ratePerSecond(pace, 100_000)).toBe(5);
    expect(ratePerSecond({ ...pace, recent: 300 }, 100_000)).toBe(10);
    expect(ratePerSecond({ ...pace, recent: 300 }, 10_000)).toBe(30);
  });

  test('are not known while nothing is sent', () => {
    expect(ratePerSecond({ ...pace, state: 'PAUSED' }, 100_000)).toBeNull();
    expect(ratePerSecond({ ...pace, startedAt: null }, 100_000)).toBeNull();
    const { counts } = tallyExecutions([execution(10, {})]);
    expect(estimatedEnd(counts, 0, 0)).toBeNull();
    expect(estimatedEnd(counts, 2, 1_000)).toEqual(new Date(6_000));
  });
});

describe('why a campaign waits', () => {
  const at = (
    state: CampaignState,
    fields: Partial<{
      state: ExecutionState;
      stateReason: string | null;
      stateActor: string | null;
      waitingReason: string | null;
      waitingUntil: Date | null;
    }> = {},
    scheduledAt: Date | null = null,
  ) =>
    whyWaiting(
      {
        state,
        execution: {
          scheduledAt,
          state: 'PENDING',
          stateReason: null,
          stateActor: null,
          waitingReason: null,
          waitingUntil: null,
          ...fields,
        },
      },
      1_000,
    );

  test.each([
    ['for somebody to approve it', at('PENDING_APPROVAL'), { reason: 'approval' }],
    [
      'for its schedule',
      at('APPROVED', {}, new Date(5_000)),
      { reason: 'schedule', until: new Date(5_000) },
    ],
    [
      'because somebody paused it',
      at('PAUSED', { state: 'PAUSED', stateActor: 'bruno', stateReason: 'texto errado' }),
      { reason: 'paused', actorId: 'bruno', note: 'texto errado' },
    ],
    [
      'because somebody paused it who writes like the dispatch',
      at('PAUSED', { state: 'PAUSED', stateActor: 'bruno', stateReason: 'budget_exhausted' }),
      { reason: 'paused', actorId: 'bruno' },
    ],
    [
      'because the money is spent',
      at('PAUSED', { state: 'PAUSED', stateReason: 'budget_exhausted' }),
      { reason: 'budget_exhausted', actorId: null },
    ],
    [
      'because its account is refused',
      at('PAUSED', { state: 'PAUSED', stateReason: 'credentials_refused' }),
      { reason: 'paused', note: 'credentials_refused', actorId: null },
    ],
    [
      'for what the dispatch waits for',
      at('PROCESSING', {
        state: 'PROCESSING',
        waitingReason: 'provider_down',
        waitingUntil: new Date(9_000),
      }),
      { reason: 'provider_down', until: new Date(9_000) },
    ],
  ])('%s', (_, waiting, expected) => expect(waiting).toMatchObject(expected));

  test.each([
    ['a draft', at('DRAFT', { state: 'CANCELLED' })],
    ['one whose schedule has come', at('APPROVED', {}, new Date(500))],
    ['one that sends', at('PROCESSING', { state: 'PROCESSING' })],
    ['one that has ended', at('CANCELLED', { state: 'CANCELLED', stateReason: 'paused' })],
  ])('not at all: %s', (_, waiting) => expect(waiting).toBeNull());
});

test('an offer differs in the fields that differ, whatever the order in which they are written', () => {
  const offer = {
    name: 'Acordo',
    price: '0.0500',
    message: { baseMessage: 'Olá', template: null },
  } as unknown as CampaignOffer;
  const stored = JSON.parse(
    '{"version":"x","message":{"template":null,"baseMessage":"Olá"},"price":"0.0500","name":"Acordo"}',
  ) as CampaignOffer;
  expect(offerChanges(stored, offer)).toEqual([]);
  expect(offerChanges(stored, { ...offer, price: '0.0600' })).toEqual(['price']);
});
