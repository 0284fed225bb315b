import { campaignDispatchId } from '../workflows/campaign-dispatch';
import { campaignLaneId } from '../workflows/campaign-lane';
import {
  createCountedDatabase,
  type CountedDatabase,
  type DatabaseCounts,
} from './support/counted-database';
import { startDispatch, type DispatchBench } from './support/dispatch';
import { countStates, createScene, openTestExecution, type Scene } from './support/executions';

/*
 * What the dispatch asks of PostgreSQL and of the engine, counted on their side. The batches are the default ones; a
 * turn is so long that a slow machine needs one as well.
 */
const SETTINGS = { microBatch: 200, leaseMs: 4_000, turnMs: 300_000 };
const SIZE = { lanes: 2, batchSize: 1_000 };
/** In batches: one to warm up, and two campaigns of which one is twice the other. */
const [FEW, MANY] = [3, 6];

interface Cost {
  database: DatabaseCounts;
  root: HistoryCounts;
  lanes: HistoryCounts[];
}

interface HistoryCounts {
  events: number;
  activities: number;
}

let bench: DispatchBench;
let few: Cost;
let many: Cost;
jest.setTimeout(120_000);
beforeAll(async () => {
  let database: CountedDatabase | undefined;
  const create = async (): Promise<CountedDatabase> => (database = await createCountedDatabase());
  bench = await startDispatch(SETTINGS, {}, create);
  // Many messages a request: how many of them are marked at once is then the setting alone, however slow the vendor is.
  const scene = await createScene(bench, { config: { bulk: true } });
  await costOf(database!, scene, SIZE.lanes);
  few = await costOf(database!, scene, FEW);
  many = await costOf(database!, scene, MANY);
}, 300_000);
afterAll(() => bench.stop());

async function costOf(database: CountedDatabase, scene: Scene, thousands: number): Promise<Cost> {
  // Says what there is to say of earlier campaigns.
  await bench.relay.run();
  const recipients = thousands * 1_000;
  const executionId = await openTestExecution(bench, scene, { recipients, ...SIZE });
  const before = await database.counts();
  await bench.relay.run();
  await bench.client.workflow.getHandle(campaignDispatchId(executionId)).result();
  const after = await database.counts();
  expect(await countStates(bench, executionId)).toEqual({ sent: recipients });
  return {
    database: difference(after, before),
    root: await countHistory(campaignDispatchId(executionId)),
    lanes: await Promise.all(
      Array.from({ length: SIZE.lanes }, (_, lane) =>
        countHistory(campaignLaneId(executionId, lane)),
      ),
    ),
  };
}

async function countHistory(workflowId: string): Promise<HistoryCounts> {
  const { events } = await bench.client.workflow.getHandle(workflowId).fetchHistory();
  const activities = events!.filter((event) => event.activityTaskScheduledEventAttributes);
  return { events: events!.length, activities: activities.length };
}

function difference(after: DatabaseCounts, before: DatabaseCounts): DatabaseCounts {
  return {
    roundTrips: after.roundTrips - before.roundTrips,
    statements: after.statements - before.statements,
    transactions: after.transactions - before.transactions,
    nested: after.nested - before.nested,
  };
}

/** What a thousand messages more have cost. */
function perThousand(): DatabaseCounts {
  const { roundTrips, statements, transactions, nested } = difference(many.database, few.database);
  const thousands = MANY - FEW;
  return {
    roundTrips: roundTrips / thousands,
    statements: statements / thousands,
    transactions: transactions / thousands,
    nested: nested / thousands,
  };
}

test('a thousand messages are twelve round trips: one claim, five marks, five settlements, one close', () => {
  const { roundTrips, statements, transactions } = perThousand();
  expect({ roundTrips, statements, transactions }).toEqual({
    roundTrips: 12,
    statements: 12,
    transactions: 12,
  });
});

test('inside of those, PostgreSQL carries out no more than 107 statements for a thousand messages', () => {
  // 106, and a lane's last claims look further where no other lane is at work any more.
  expect(perThousand().nested).toBeLessThanOrEqual(107);
});

test('beginning and ending a campaign costs the same for few people as for many', () => {
  const rest = ({ database }: Cost, thousands: number): number =>
    database.roundTrips - 12 * thousands;
  expect(rest(few, FEW)).toBeLessThanOrEqual(60);
  expect(rest(many, MANY)).toBe(rest(few, FEW));
});

test('a lane is one activity a turn, whatever it sends in it, and leaves at most 12 events', () => {
  for (const lane of [...few.lanes, ...many.lanes]) {
    expect(lane.activities).toBe(1);
    expect(lane.events).toBeLessThanOrEqual(12);
  }
});

test('the history of the campaign itself does not grow with its people', () => {
  for (const { root } of [few, many]) {
    expect(root.activities).toBe(5);
    // An end of a lane may need a look of its own, of three events, or share one with another lane's.
    expect(root.events).toBeLessThanOrEqual(59 + 3 * SIZE.lanes);
  }
});
