import { countStates, createScene } from './support/executions';
import { startRace } from './support/races';
import { startSlowReader } from './support/slow-reader';
import { openWorkshop, type Workshop } from './support/turns';

jest.setTimeout(30_000);

let shop: Workshop;
beforeAll(async () => {
  // The call ends long after its lease: between the two the vendor may still read it.
  shop = await openWorkshop({ leaseMs: 400, providerTimeoutMs: 1_500 });
});
afterAll(() => shop.drop());

test('a vendor that reads a call when its caller has just given it up is asked late enough to know: nobody is sent to twice', async () => {
  shop.sandbox.configure({ settleMs: 400, idempotency: 'off' });
  const reader = await startSlowReader(shop.sandbox.url, 3);
  try {
    const config = { url: reader.url, idempotency: false, lookup: true, lookupSettlesMs: 1_000 };
    const race = await startRace(shop, { recipients: 3 }, await createScene(shop, { config }));
    await shop.workOff(race);
    expect(reader.held).toBe(3);
    expect(await countStates(shop, race.executionId)).toEqual({ sent: 3 });
    expect(shop.sandbox.totals()).toMatchObject({ accepted: 3, duplicated: 0 });
  } finally {
    await reader.close();
  }
});
