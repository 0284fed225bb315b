import type { temporal } from '@temporalio/proto';
import { campaignDispatchId, lookAgainSignal } from '../workflows/campaign-dispatch';
import { campaignLaneId } from '../workflows/campaign-lane';
import { startDispatch, type DispatchBench } from './support/dispatch';
import { countStates, createScene, openTestExecution } from './support/executions';
import { closedForAnHour } from './support/turns';
import { until } from './support/until';

let bench: DispatchBench;
jest.setTimeout(60_000);
beforeAll(async () => {
  bench = await startDispatch();
}, 300_000);
afterAll(() => bench.stop());

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const countEvents = async (id: string, is: (event: HistoryEvent) => unknown): Promise<number> =>
  ((await bench.client.workflow.getHandle(id).fetchHistory()).events ?? []).filter(is).length;

const timersOf = (id: string, seconds: number): Promise<number> =>
  countEvents(
    id,
    ({ timerStartedEventAttributes: timer }) =>
      Number(timer?.startToFireTimeout?.seconds) === seconds,
  );

/** How often a lane was told, how often it has looked, and how often it went to sleep after that. */
const toldOf = (lane: string): Promise<number> =>
  countEvents(lane, (event) => event.workflowExecutionSignaledEventAttributes);
const turnsOf = (lane: string): Promise<number> =>
  countEvents(lane, (event) => event.activityTaskCompletedEventAttributes);
const sleepsOf = (lane: string): Promise<number> =>
  countEvents(lane, (event) => event.timerStartedEventAttributes);

/** A root that rests, and its two lanes, which sleep for an hour. */
async function asleep() {
  const scene = await createScene(bench);
  const executionId = await openTestExecution(bench, scene, {
    recipients: 20,
    lanes: 2,
    batchSize: 10,
    plan: { quietHours: closedForAnHour() },
  });
  await bench.relay.run();
  await until('all wait', async () => (await countStates(bench, executionId)).queued === 20);
  const lanes = [campaignLaneId(executionId, 0), campaignLaneId(executionId, 1)] as const;
  for (const lane of lanes) await until('it sleeps', async () => (await sleepsOf(lane)) === 1);
  const root = campaignDispatchId(executionId);
  await until('the root rests', async () => (await timersOf(root, 300)) === 1);
  return { root: bench.client.workflow.getHandle(root), lanes };
}

describe('somebody who tells the root that something is due wakes its sleeping lanes', () => {
  test('while it waits for its lanes, and each once', async () => {
    const { root, lanes } = await asleep();
    const looks = await Promise.all(lanes.map(turnsOf));
    await root.signal(lookAgainSignal);
    for (const lane of lanes)
      await until('it sleeps again', async () => (await sleepsOf(lane)) === 2);
    expect(await Promise.all(lanes.map(turnsOf))).toEqual(looks.map((before) => before + 1));
    await until('the root rests', async () => (await timersOf(root.workflowId, 300)) === 2);
    expect(await Promise.all(lanes.map(toldOf))).toEqual([1, 1]);
  });

  test('while it waits to start a lane that has ended from outside', async () => {
    const { root, lanes } = await asleep();
    const [dies, sleeps] = lanes;
    const looks = await turnsOf(sleeps);
    await bench.client.workflow.getHandle(dies).terminate();
    await until('the root waits', async () => (await timersOf(root.workflowId, 2)) === 1);
    await root.signal(lookAgainSignal);
    await until('the other sleeps again', async () => (await sleepsOf(sleeps)) === 2);
    expect(await turnsOf(sleeps)).toBe(looks + 1);
    await until('the root rests', async () => (await timersOf(root.workflowId, 300)) >= 2);
    expect(await toldOf(sleeps)).toBe(1);
  });
});
