import { expectBooksAgree } from './support/books';
import { query } from './support/database';
import { Model, type ModelOptions } from './support/model';
import { createField, type Field } from './support/races';

let field: Field;
jest.setTimeout(60_000);
beforeEach(async () => {
  field = await createField();
});
afterEach(() => field.drop());

const STEPS = 160;
const ACCEPTED = ['sent', 'delivered', 'read', 'clicked', 'undelivered'];

/** Plays one random history and checks the books all the way; the log of a broken one is printed. */
async function play(options: ModelOptions, end: 'finish' | 'cancel'): Promise<void> {
  const model = new Model(field, options);
  try {
    await model.open();
    for (let step = 0; step < STEPS; step += 1) {
      await model.step();
      if (step % 20 === 0) await expectBooksAgree(field);
    }
    await (end === 'finish' ? model.finish() : model.cancel());
    await expectBooksAgree(field);
    await model.arriveLate();
    await expectBooksAgree(field);
    await expectVendorAgrees(model);
  } catch (error) {
    console.error(`seed ${options.seed}:\n${model.log.join('\n')}`);
    throw error;
  }
}

/** Nobody was messaged twice, nobody is said to have got a message and has not, and nobody the other way round. */
async function expectVendorAgrees({ field, races, vendor, options }: Model): Promise<void> {
  const { taken } = vendor;
  expect([...taken.values()].filter((times) => times > 1)).toEqual([]);
  const rows = await query<{ source_id: string; position: number; state: string; address: string }>(
    field.adminUrl,
    'SELECT source_id, position, state, address FROM communications WHERE source_id = ANY ($1)',
    [races.map(({ executionId }) => executionId)],
  );
  const wrong = rows.filter(({ source_id: sourceId, position, state }) => {
    const wasTaken = [...taken.keys()].some((each) => each.includes(`.${sourceId}.${position}.`));
    return wasTaken ? !ACCEPTED.includes(state) && state !== 'unknown' : ACCEPTED.includes(state);
  });
  expect(wrong).toEqual([]);
  if (options.frequencyCap === undefined) return;
  const perAddress = new Map<string, number>();
  for (const { address, state } of rows)
    if (ACCEPTED.includes(state)) perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
  expect(Math.max(...perAddress.values())).toBeLessThanOrEqual(options.frequencyCap);
}

const SEEDS = [1, 2];

test.each(SEEDS)(
  'any order of events keeps the books, with a vendor that knows keys (%i)',
  (seed) => play({ seed, keyed: true, parallel: false }, 'finish'),
);

test.each(SEEDS)(
  'any order of events keeps the books, with a vendor that cannot be asked (%i)',
  (seed) => play({ seed: 100 + seed, keyed: false, parallel: false }, 'finish'),
);

test.each(SEEDS)('a cancelled campaign adds up, whatever is still under way (%i)', (seed) =>
  play({ seed: 200 + seed, keyed: seed % 2 === 0, parallel: false }, 'cancel'),
);

test.each(SEEDS)('steps at the same time keep the books (%i)', (seed) =>
  play({ seed: 300 + seed, keyed: seed % 2 === 0, parallel: true }, 'finish'),
);

test.each(SEEDS)('two campaigns never exceed a frequency cap together (%i)', (seed) =>
  play({ seed: 400 + seed, keyed: true, parallel: seed % 2 === 0, frequencyCap: 1 }, 'cancel'),
);
