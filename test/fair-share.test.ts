import { createFairShare, type Places } from '../activities/fair-share';

/** Asks, and notes whose turn it is when it comes. */
function createQueue(capacity: number) {
  const share = createFairShare(capacity);
  const order: string[] = [];
  const held: Places[] = [];
  const ask = async (company: string, count: number): Promise<Places> => {
    const places = await share.enter(company, count);
    order.push(company);
    held.push(places);
    return places;
  };
  /** Ends the oldest one that is under way. */
  const end = async (): Promise<void> => {
    held.shift()?.keep(0);
    await new Promise(setImmediate);
  };
  return { ask, end, order };
}

const settle = (): Promise<void> => new Promise(setImmediate);

test('whoever asks goes at once while there is room', async () => {
  const { ask, order } = createQueue(3);
  for (const company of ['a', 'a', 'a']) void ask(company, 1);
  await settle();
  expect(order).toEqual(['a', 'a', 'a']);
});

test('when it is full, companies go in turn, however many one of them has waiting', async () => {
  const { ask, end, order } = createQueue(1);
  for (let i = 0; i < 6; i += 1) void ask('large', 1);
  for (const company of ['b', 'c', 'b']) void ask(company, 1);
  await settle();
  for (let i = 0; i < 8; i += 1) await end();
  expect(order).toEqual(['large', 'large', 'b', 'c', 'large', 'b', 'large', 'large', 'large']);
});

test('places that are not needed are given on at once, and each only once', async () => {
  const { ask, order } = createQueue(10);
  const places = await ask('a', 10);
  void ask('b', 6);
  void ask('c', 4);
  await settle();
  expect(order).toEqual(['a']);
  places.keep(4);
  places.keep(7);
  await settle();
  expect(order).toEqual(['a', 'b']);
  places.keep(0);
  places.keep(0);
  await settle();
  expect(order).toEqual(['a', 'b', 'c']);
  void ask('d', 1);
  await settle();
  expect(order).toEqual(['a', 'b', 'c']);
});

test('whoever wants much is not passed for ever by those who want little', async () => {
  const { ask, end, order } = createQueue(4);
  for (let i = 0; i < 4; i += 1) void ask('small', 1);
  void ask('large', 4);
  for (let i = 0; i < 4; i += 1) void ask('small', 1);
  await settle();
  for (let i = 0; i < 4; i += 1) await end();
  expect(order.slice(4)).toEqual(['large']);
});

test('more than there is in all goes alone, and does not wait for ever', async () => {
  const { ask, end, order } = createQueue(2);
  void ask('a', 1);
  void ask('b', 5);
  await settle();
  expect(order).toEqual(['a']);
  await end();
  expect(order).toEqual(['a', 'b']);
});
