import { monitorEventLoopDelay } from 'node:perf_hooks';
import { WorkflowNotFoundError } from '@temporalio/client';
import { campaignDispatchId } from '../workflows/campaign-dispatch';
import { expectBooksAgree } from './support/books';
import { ok, startCampaignBench, type CampaignBench, type Campaigner } from './support/campaigns';
import { query } from './support/database';
import { countStates, createScene, openTestExecution } from './support/executions';
import { until } from './support/until';

let world: CampaignBench;
let own: Campaigner;
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
  own = await world.campaigner();
}, 300_000);
beforeEach(() => world.bench.sandbox.reset());
afterEach(() => expectBooksAgree(world.bench));
afterAll(() => world.stop());

const counts = async (id: string) =>
  (await ok(own.call('GET', `/${id}`, own.approver))).progress.counts;
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
/** When the vendor has read each request. */
const calledAt = (): number[] => world.bench.sandbox.journal().map(({ receivedAt }) => receivedAt);

test('a campaign with a beginning begins by itself, then and not before', async () => {
  world.bench.sandbox.configure({ journal: true });
  // Long enough for an approval on a busy machine.
  const scheduledAt = soon(10_000);
  const { id } = await own.approved({ recipients: 300, fields: { scheduledAt } });
  const waiting = await ok(own.call('GET', `/${id}`, own.approver));
  expect(waiting.progress).toMatchObject({ waiting: { reason: 'schedule' }, counts: { sent: 0 } });
  await world.untilState(own, id, 'FINISHED');
  expect(await counts(id)).toMatchObject({ recipients: 300, sent: 300 });
  expect(Math.min(...calledAt())).toBeGreaterThanOrEqual(Date.parse(scheduledAt));
});

test('past its deadline nothing is sent, neither waiting in a queue nor for the second time, and who is left is skipped', async () => {
  const { sandbox } = world.bench;
  sandbox.configure({ journal: true, latency: { kind: 'fixed', ms: 150 }, rates: { error: 0.1 } });
  const few = await world.campaigner({ config: { connections: 4 } });
  // Long enough for a beginning on a busy machine, and too short for everybody.
  const sendUntil = soon(8_000);
  const { id, executionId } = await few.approved({ recipients: 1_000, fields: { sendUntil } });
  const hasEnded = async (): Promise<boolean> =>
    (await ok(few.call('GET', `/${id}`, few.approver))).state === 'FINISHED';
  await until('some are taken', () => sandbox.totals().accepted > 0);
  // A process that stands still between a call and the vendor's look at it is late by that.
  const stalls = monitorEventLoopDelay();
  stalls.enable();
  await until('it has ended', hasEnded, 40_000);
  stalls.disable();
  const latestMs = Math.max(...calledAt()) - Date.parse(sendUntil);
  expect(latestMs).toBeLessThanOrEqual(stalls.max / 1_000_000);
  const { sent, skipped, recipients } = (await ok(few.call('GET', `/${id}`, few.approver))).progress
    .counts;
  expect([sent + skipped, sent]).toEqual([recipients, sandbox.totals().unique]);
  expect(sandbox.totals().duplicated).toBe(0);
  const reasons = `SELECT DISTINCT reason FROM communications WHERE source_id = $1 AND state = 'skipped'`;
  expect(await query(world.bench.adminUrl, reasons, [executionId])).toEqual([
    { reason: 'deadline' },
  ]);
});

describe('a campaign whose root is not there', () => {
  /** Everybody believes that the engine has been told. */
  const FORGET = 'UPDATE outbox SET delivered_at = now() WHERE subject_id = $1';

  test('since its signal was lost is begun by the reconciler', async () => {
    const { bench } = world;
    const executionId = await openTestExecution(bench, await createScene(bench), {
      recipients: 50,
    });
    await query(bench.adminUrl, FORGET, [executionId]);
    await bench.relay.run();
    const root = bench.client.workflow.getHandle(campaignDispatchId(executionId));
    await expect(root.describe()).rejects.toBeInstanceOf(WorkflowNotFoundError);
    await bench.relay.reconcile();
    await until(
      'everybody is sent',
      async () => (await countStates(bench, executionId)).sent === 50,
    );
  });

  test('since the engine has lost everything goes on, and nobody is lost or sent two', async () => {
    const { bench } = world;
    bench.sandbox.configure({ latency: { kind: 'fixed', ms: 30 } });
    const { id } = await own.approved({ recipients: 2_000 });
    await until('it is under way', () => bench.sandbox.totals().accepted >= 200);
    await bench.loseEngine();
    await until('the engine answers', () =>
      bench.relay.reconcile().then(
        () => true,
        () => false,
      ),
    );
    await world.untilState(own, id, 'FINISHED');
    expect(await counts(id)).toMatchObject({ recipients: 2_000, sent: 2_000, unknown: 0 });
    expect(bench.sandbox.totals()).toMatchObject({ unique: 2_000, duplicated: 0 });
  });
});
