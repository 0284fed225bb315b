import { lanesFor } from '../prisma/execution-opening';

test.each([
  [1, 1],
  [3, 3],
  [64, 4],
  [65, 5],
  [256, 16],
  [1_000, 16],
])('a campaign of %i batches is sent in %i lanes', (batches, lanes) => {
  expect(lanesFor({ most: 16, batches, isThrottled: false })).toBe(lanes);
});

test('there are never more lanes than configured', () => {
  expect(lanesFor({ most: 2, batches: 1_000, isThrottled: false })).toBe(2);
});

test('a throttled campaign has one lane, however large it is', () => {
  expect(lanesFor({ most: 16, batches: 1_000, isThrottled: true })).toBe(1);
});
