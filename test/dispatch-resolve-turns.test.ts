import { runLaneTurn } from '../activities/dispatch/lane-turn';
import { closeBatch } from '../prisma/dispatch/batches';
import { expectBooksAgree } from './support/books';
import { countStates } from './support/executions';
import { startRace } from './support/races';
import { openWorkshop, type Workshop } from './support/turns';
import { decide, leaveUnheard } from './support/unknowns';

let shop: Workshop;
jest.setTimeout(30_000);
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => expectBooksAgree(shop));
afterAll(() => shop.drop());

test('a lane that is past a batch comes back to the people whom a person has put back, under their own keys', async () => {
  const race = await startRace(shop, { recipients: 30, batchSize: 10 });
  for (let seq = 0; seq < 3; seq += 1) {
    const { batch } = await leaveUnheard(shop, race);
    await closeBatch(shop.db, batch, batch);
  }
  const only = { executionId: race.executionId, positions: [0, 1, 2] };
  expect(await decide(shop, race, 'again', { only })).toMatchObject({ decided: 3 });
  const { companyId, executionId } = race;
  const past = { companyId, executionId, lane: 0, fromSeq: 3 };
  expect(await runLaneTurn(shop.another(), past, () => false)).toEqual({ kind: 'done' });
  expect(await countStates(shop, executionId)).toEqual({ unknown: 27, sent: 3 });
  const keys = new Set(shop.sandbox.messages().map(({ reference }) => reference));
  const month = new Date().toISOString().slice(0, 7).replace('-', '');
  const own = [0, 1, 2].map((position) => `${month}.${executionId}.${position}.0.sms`);
  expect(keys).toEqual(new Set(own));
});
