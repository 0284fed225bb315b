import { campaignDispatchId } from '../workflows/campaign-dispatch';
import { startDispatch, type DispatchBench } from './support/dispatch';
import { countStates, createScene, openTestExecution } from './support/executions';
import { query } from './support/database';

let bench: DispatchBench;
jest.setTimeout(20_000);
beforeAll(async () => {
  bench = await startDispatch();
}, 300_000);
afterAll(() => bench.stop());

const finish = (executionId: string): Promise<string> =>
  bench.client.workflow.getHandle(campaignDispatchId(executionId)).result() as Promise<string>;

test('every recipient is sent exactly one message, the sums add up and the money is booked to the cent', async () => {
  const scene = await createScene(bench);
  const executionId = await openTestExecution(bench, scene, { recipients: 1_234 });
  await bench.relay.run();
  expect(await finish(executionId)).toBe('FINISHED');
  expect(await countStates(bench, executionId)).toEqual({ sent: 1_234 });
  expect(bench.sandbox.totals()).toMatchObject({ accepted: 1_234, unique: 1_234, duplicated: 0 });
  const [budget] = await query(bench.adminUrl, 'SELECT used, reserved FROM budgets WHERE id = $1', [
    scene.budgetId,
  ]);
  expect(budget).toEqual({ used: '61.7000', reserved: '0.0000' });
});
