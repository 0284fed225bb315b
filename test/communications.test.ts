import {
  addsUp,
  countPeople,
  MESSAGE_STATES,
  messageReference,
  parseReference,
  recipientStateOf,
  type MessageKey,
  type StateCounts,
} from '../domain/communications';

const rows = (counts: Partial<Record<keyof StateCounts, number>>): StateCounts => ({
  ...(Object.fromEntries(MESSAGE_STATES.map((state) => [state, 0])) as Record<
    keyof StateCounts,
    number
  >),
  ...counts,
});

test('whatever came after the acceptance is part of sent, and people without a row are waiting', () => {
  const counts = countPeople(
    100,
    rows({
      sent: 10,
      delivered: 20,
      read: 5,
      clicked: 3,
      undelivered: 2,
      failed: 4,
      skipped: 6,
      unknown: 1,
      cancelled: 7,
      queued: 8,
      sending: 9,
    }),
  );
  expect(counts).toMatchObject({
    sent: 40,
    delivered: 28,
    read: 8,
    clicked: 3,
    undelivered: 2,
    waiting: 25,
  });
  expect(addsUp(counts)).toBe(false);
});

test('the sums add up only when everybody has a final state', () => {
  expect(addsUp(countPeople(3, rows({ delivered: 1, failed: 1, unknown: 1 })))).toBe(true);
  expect(addsUp(countPeople(3, rows({ delivered: 1, failed: 1 })))).toBe(false);
  expect(addsUp(countPeople(3, rows({ delivered: 2, queued: 1 })))).toBe(false);
  expect(addsUp(countPeople(2, rows({ delivered: 3 })))).toBe(false);
});

const KEY: MessageKey = {
  ledgerMonth: '2026-11-01',
  sourceId: '0199f3b2-7c1e-7a44-8a11-0123456789ab',
  position: 41,
  step: 0,
  channel: 'whatsapp',
};

test('a reference is read back as the key that it was made of', () => {
  const reference = messageReference(KEY);
  expect(reference).toBe('202611.0199f3b2-7c1e-7a44-8a11-0123456789ab.41.0.whatsapp');
  expect(parseReference(reference)).toEqual(KEY);
});

test.each([
  '',
  'abc',
  '202613.0199f3b2-7c1e-7a44-8a11-0123456789ab.1.0.sms',
  '202611.0199f3b2-7c1e-7a44-8a11-0123456789ab.1.0.fax',
  '202611.0199f3b2-7c1e-7a44-8a11-0123456789ab.-1.0.sms',
])('a text that is not one of our references is nobody’s: %s', (text) =>
  expect(parseReference(text)).toBeUndefined(),
);

test.each([
  ['PENDING', 'waiting'],
  ['pendente', 'waiting'],
  ['SENT', 'sent'],
  ['enviado', 'sent'],
  ['DELIVERED', 'delivered'],
  ['opened', 'read'],
  ['READ', 'read'],
  ['clicked', 'clicked'],
  ['ERROR', 'failed'],
  ['erro', 'failed'],
  ['failed', 'failed'],
  ['entregou', undefined],
  ['constructor', undefined],
  ['', undefined],
])('the word %s of an older system means %s', (word, state) =>
  expect(recipientStateOf(word)).toBe(state),
);
