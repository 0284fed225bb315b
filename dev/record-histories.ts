import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';
import { version } from '../package.json';
import { readExecution, transitionExecution } from '../prisma/campaign-executions';
import { withTenant } from '../prisma/tenant';
import { issueToken } from '../prisma/verification-tokens';
import { bundleChanged, type Change } from '../test/support/changed-workflows';
import { startDispatch, type DispatchBench } from '../test/support/dispatch';
import { createScene, openTestExecution, type ExecutionSpec } from '../test/support/executions';
import { createCompany, createUser } from '../test/support/factories';
import globalSetup from '../test/support/global-setup';
import globalTeardown from '../test/support/global-teardown';
import { until } from '../test/support/until';
import {
  campaignDispatch,
  campaignDispatchId,
  lookAgainSignal,
} from '../workflows/campaign-dispatch';
import { campaignLane, campaignLaneId, standDownSignal } from '../workflows/campaign-lane';
import { noticeSendId } from '../workflows/notice-send';
import { CORE_QUEUE } from '../workflows/task-queues';

/*
 * Records the histories of this version that test/replay.test.ts replays, in about half a minute. Those of earlier
 * versions stay as they are: runs of that age may still be open.
 */

const FOLDER = join(__dirname, '..', 'test', 'histories');

/** So slow that there is a middle: five people a micro-batch, a micro-batch a turn. */
const SLOW = { microBatch: 5, turnMs: 40 };
/** An engine that suggests to continue as new after a few events instead of thousands. */
const IMPATIENT = { dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } };
/** What 0.1.0 did where 0.2.0 does something else. */
const AS_BEFORE: readonly Change[] = [
  {
    file: 'campaign-dispatch.ts',
    before: "if (!patched('lanes_together')) for",
    after: 'if (true) for',
  },
  {
    file: 'campaign-dispatch.ts',
    before: "lanes.areBehind() && patched('signals_kept')",
    after: 'false',
  },
];
const FIRED = 'EVENT_TYPE_TIMER_FIRED';
const COMPLETED = 'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED';
const CONTINUED = 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

interface Campaign {
  companyId: string;
  executionId: string;
  rootId: string;
  laneId: string;
}

async function start(bench: DispatchBench, spec: Partial<ExecutionSpec> = {}): Promise<Campaign> {
  await bench.sandbox.reset();
  bench.sandbox.configure({ latency: { kind: 'fixed', ms: 30 } });
  const scene = await createScene(bench);
  const size = { recipients: 30, lanes: 2, batchSize: 10 };
  const executionId = await openTestExecution(bench, scene, { ...size, ...spec });
  await bench.relay.run();
  return {
    companyId: scene.companyId,
    executionId,
    rootId: campaignDispatchId(executionId),
    laneId: campaignLaneId(executionId, 0),
  };
}

async function change(
  bench: DispatchBench,
  { companyId, executionId }: Campaign,
  verb: 'pause' | 'resume' | 'cancel',
): Promise<void> {
  await until('some are sent', () => bench.sandbox.totals().accepted >= 5);
  await withTenant(bench.db, companyId, (tx) => transitionExecution(tx, { executionId, verb }));
  await bench.relay.run();
}

async function pause(bench: DispatchBench, campaign: Campaign): Promise<void> {
  await change(bench, campaign, 'pause');
  const { companyId, executionId } = campaign;
  await until('it is paused', async () => {
    const read = withTenant(bench.db, companyId, (tx) => readExecution(tx, executionId));
    return (await read).state === 'PAUSED';
  });
}

async function ended({ client }: DispatchBench, workflowId: string): Promise<void> {
  await client.workflow.getHandle(workflowId).result();
}

/** Writes the history of the run of a workflow that shows all that is asked for: activities, signals, events. */
async function record(
  { client }: DispatchBench,
  workflowId: string,
  scenario: string,
  ...shows: readonly string[]
): Promise<void> {
  await until(`a run of ${scenario} shows ${shows.join(', ')}`, async () => {
    for await (const { runId } of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      const json = historyToJSON(history);
      if (!shows.every((each) => json.includes(`"${each}"`))) continue;
      const path = join(FOLDER, `${scenario}.${version}.json`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, withoutMachine(json));
      console.log(scenario);
      return true;
    }
    return false;
  });
}

/** An event a line. Process ids, host names and paths are nobody's business, and the replay does not ask for them. */
function withoutMachine(json: string): string {
  const { events } = JSON.parse(json, (key, value: unknown) => {
    if (key === 'stackTrace') return '';
    return typeof value === 'string' ? value.replaceAll(/\d+@[\w.-]+/g, '1@worker') : value;
  }) as { events: unknown[] };
  return `{"events":[\n${events.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`;
}

async function recordCampaigns(bench: DispatchBench): Promise<void> {
  const whole = await start(bench, { scheduledAt: new Date(Date.now() + 5_000) });
  await ended(bench, whole.rootId);
  await record(bench, whole.rootId, 'campaign-dispatch/whole', FIRED, COMPLETED);
  await record(bench, whole.laneId, 'campaign-lane/whole', COMPLETED);

  const paused = await start(bench);
  await pause(bench, paused);
  await record(bench, paused.laneId, 'campaign-lane/paused', 'lookAgain', COMPLETED);
  await change(bench, paused, 'resume');
  await ended(bench, paused.rootId);
  await record(bench, paused.rootId, 'campaign-dispatch/paused', 'finishPause', COMPLETED);

  const cancelled = await start(bench);
  await change(bench, cancelled, 'cancel');
  await ended(bench, cancelled.rootId);
  await record(bench, cancelled.rootId, 'campaign-dispatch/cancelled', 'finishCancel', COMPLETED);

  const waiting = await start(bench, { recipients: 20 });
  bench.sandbox.configure({ outage: 'unavailable' });
  await until('it has waited', () => bench.sandbox.totals().unavailable >= 10);
  bench.sandbox.configure({ outage: 'none' });
  await ended(bench, waiting.rootId);
  await record(bench, waiting.laneId, 'campaign-lane/waited', FIRED, COMPLETED);
}

/** Told to look again while it waits to start a lane that has ended from outside: its other lane hears of it later. */
async function recordTold(bench: DispatchBench): Promise<void> {
  const told = await start(bench, { recipients: 20 });
  bench.sandbox.configure({ outage: 'unavailable' });
  await until('its lanes have waited', () => bench.sandbox.totals().unavailable >= 10);
  const root = bench.client.workflow.getHandle(told.rootId);
  const shows = (what: keyof HistoryEvent, times: number): Promise<void> =>
    until(`the root has ${times} of ${what}`, async () => {
      const { events } = await root.fetchHistory();
      return (events?.filter((event) => event[what]).length ?? 0) >= times;
    });
  await bench.client.workflow.getHandle(told.laneId).terminate();
  // That for its lanes, and that before it starts this one again.
  await shows('timerStartedEventAttributes', 2);
  await root.signal(lookAgainSignal);
  // Of `lanes_together`, and of `signals_kept`.
  await shows('markerRecordedEventAttributes', 2);
  bench.sandbox.configure({ outage: 'none' });
  await ended(bench, told.rootId);
  await record(bench, told.rootId, 'campaign-dispatch/told', 'core_patch', COMPLETED);
}

/** Begun by the version before this one, paused, and resumed after a deploy. */
async function recordUpgraded(bench: DispatchBench): Promise<void> {
  await bench.deploy({ code: await bundleChanged(...AS_BEFORE) });
  const begun = await start(bench);
  await pause(bench, begun);
  await bench.deploy();
  await change(bench, begun, 'resume');
  await ended(bench, begun.rootId);
  await record(bench, begun.rootId, 'campaign-dispatch/upgraded', 'finishPause', COMPLETED);
}

/** Nobody knows the execution, and no retry mends that. The root is recorded as it waits: an open run. */
async function recordParked(bench: DispatchBench): Promise<void> {
  const parked = ['EVENT_TYPE_ACTIVITY_TASK_FAILED', 'EVENT_TYPE_TIMER_STARTED'];
  const nothing = { companyId: randomUUID(), executionId: randomUUID() };
  const root = await bench.client.workflow.start(campaignDispatch, {
    taskQueue: CORE_QUEUE,
    workflowId: campaignDispatchId(nothing.executionId),
    args: [nothing],
  });
  await record(bench, root.workflowId, 'campaign-dispatch/parked', ...parked);
  await root.terminate();

  const lane = await bench.client.workflow.start(campaignLane, {
    taskQueue: CORE_QUEUE,
    workflowId: campaignLaneId(nothing.executionId, 0),
    args: [{ ...nothing, lane: 0 }],
  });
  await until('it is parked', async () => {
    const { events } = await lane.fetchHistory();
    return events?.some((event) => event.timerStartedEventAttributes) ?? false;
  });
  await lane.signal(standDownSignal);
  await record(bench, lane.workflowId, 'campaign-lane/parked', ...parked, 'standDown', COMPLETED);
}

async function recordNotice(bench: DispatchBench): Promise<void> {
  const companyId = await createCompany(bench.db);
  const userId = await createUser(bench.db, companyId, { status: 'INVITED' });
  const owner = { companyId, userId, purpose: 'invitation' as const };
  const { id } = await withTenant(bench.db, companyId, (tx) =>
    issueToken(tx, owner, bench.encryption),
  );
  await bench.relay.run();
  await record(bench, noticeSendId(id), 'notice-send/whole', COMPLETED);
}

async function recordContinued(bench: DispatchBench): Promise<void> {
  const busy = await start(bench, { recipients: 120 });
  const root = bench.client.workflow.getHandle(busy.rootId);
  for (let isEnded = false; !isEnded;) {
    // It may end at any moment, and then nobody is there to be signalled.
    await root.signal(lookAgainSignal).catch(() => undefined);
    isEnded = await Promise.race([root.result().then(() => true), delay(200, false)]);
  }
  await record(bench, busy.rootId, 'campaign-dispatch/continued', 'standDown', CONTINUED);
  await record(bench, busy.laneId, 'campaign-lane/stood-down', 'standDown', COMPLETED);

  // Left alone, a root has few events and its lane has many.
  const quiet = await start(bench, { recipients: 150, lanes: 1 });
  await ended(bench, quiet.rootId);
  await record(bench, quiet.laneId, 'campaign-lane/continued', CONTINUED);
}

async function withBench(
  engine: Parameters<typeof startDispatch>[1],
  ...recordings: readonly ((bench: DispatchBench) => Promise<void>)[]
): Promise<void> {
  const bench = await startDispatch(SLOW, engine);
  try {
    for (const each of recordings) await each(bench);
  } finally {
    await bench.stop();
  }
}

async function recordAll(): Promise<void> {
  await globalSetup();
  try {
    await withBench({}, recordCampaigns, recordTold, recordUpgraded, recordParked, recordNotice);
    await withBench(IMPATIENT, recordContinued);
  } finally {
    await globalTeardown();
  }
}

const USAGE = `Usage: npm run record-histories
Runs campaigns, and writes their histories under the version of package.json over those in test/histories.`;

/** As in sysexits.h: the command was used wrongly. */
const EX_USAGE = 64;

async function main(args: readonly string[]): Promise<number> {
  const [wrong] = args;
  if (args.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  if (wrong !== undefined) {
    console.error(
      `npm run record-histories does not know "${wrong}": it takes no options.\n\n${USAGE}`,
    );
    return EX_USAGE;
  }
  await recordAll();
  return 0;
}

void main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
