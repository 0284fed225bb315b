import {
  MOST_TRIES,
  pauseAfterMs,
  reconcileStep,
  type OpenMessage,
  type ReconcilePromises,
  type ReconcileSituation,
} from '../domain/reconcile';

const NOW = 10_000_000;
const HOUR = 3_600_000;
const KEY: ReconcilePromises['idempotency'] = { ttlMs: 2 * HOUR, onRepeat: 'same' };
const LOOKUP: ReconcilePromises['lookup'] = { settlesAfterMs: 5_000, authoritative: true };

const message = (over: Partial<OpenMessage> = {}): OpenMessage => ({
  markedAtMs: NOW - 1_000,
  callBeforeMs: NOW + 3_000,
  endedAtMs: NOW + 4_000,
  credentialVersion: 4,
  tries: 1,
  ...over,
});
const situation = (
  promises: ReconcilePromises,
  over: Partial<ReconcileSituation> = {},
): ReconcileSituation => ({
  promises,
  credentialVersion: 4,
  nowMs: NOW,
  mayRepeat: true,
  ...over,
});

const both = { idempotency: KEY, lookup: LOOKUP };
const keyOnly = { idempotency: KEY, lookup: false } as const;
const lookupOnly = { idempotency: false, lookup: LOOKUP } as const;
const neither = { idempotency: false, lookup: false } as const;

test.each([
  ['repeated where the vendor keeps keys', both, {}, {}, { kind: 'repeat', notBeforeMs: 0 }],
  [
    'looked up where it only answers look-ups, once these can know of what the last call wrote until it ended',
    lookupOnly,
    {},
    {},
    { kind: 'lookup', notBeforeMs: NOW + 9_000 },
  ],
  ['unknown where it does neither', neither, {}, {}, { kind: 'unknown' }],
  [
    'not repeated when half of the key’s life is over',
    both,
    { markedAtMs: NOW - HOUR },
    {},
    { kind: 'lookup', notBeforeMs: NOW + 9_000 },
  ],
  [
    'unknown when the key is too old and nothing can be looked up',
    keyOnly,
    { markedAtMs: NOW - HOUR },
    {},
    { kind: 'unknown' },
  ],
  [
    'looked up, not repeated, while paused or cancelling',
    both,
    {},
    { mayRepeat: false },
    { kind: 'lookup', notBeforeMs: NOW + 9_000 },
  ],
  [
    'unknown while cancelling where only a repeat could tell',
    keyOnly,
    {},
    { mayRepeat: false },
    { kind: 'unknown' },
  ],
  [
    'unknown after the account was changed, whatever the new one promises',
    both,
    { credentialVersion: 3 },
    {},
    { kind: 'unknown' },
  ],
  [
    'repeated again only after the last call’s lease and a pause',
    both,
    { tries: 4 },
    {},
    { kind: 'repeat', notBeforeMs: NOW + 7_000 },
  ],
  [
    'looked up after so many tries that another one is hopeless',
    both,
    { tries: MOST_TRIES },
    {},
    { kind: 'lookup', notBeforeMs: NOW + 9_000 },
  ],
  [
    'unknown after that, where nothing can be looked up',
    keyOnly,
    { tries: MOST_TRIES },
    {},
    { kind: 'unknown' },
  ],
] as const)('an open message is %s', (_, promises, open, now, step) => {
  expect(reconcileStep(message(open), situation(promises, now))).toEqual(step);
});

test('the pauses between tries grow to ten minutes and take about an hour together', () => {
  const pauses = Array.from({ length: MOST_TRIES }, (_, i) => pauseAfterMs(i));
  expect(pauses.slice(0, 5)).toEqual([0, 0, 1_000, 2_000, 4_000]);
  expect(Math.max(...pauses)).toBe(600_000);
  const total = pauses.reduce((sum, each) => sum + each, 0);
  expect(total).toBeGreaterThan(0.5 * HOUR);
  expect(total).toBeLessThan(1.5 * HOUR);
});
