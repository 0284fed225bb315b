import type { Client } from '@temporalio/client';
import type { Database } from '../prisma/client';
import {
  listDueOutbox,
  listOpenExecutions,
  markDelivered,
  postpone,
  type OutboxEntry,
} from '../prisma/outbox';
import type { Logger } from '../telemetry';
import { traced } from '../telemetry/traces';
import {
  campaignDispatch,
  campaignDispatchId,
  lookAgainSignal,
  type CampaignDispatchInput,
} from '../workflows/campaign-dispatch';
import { noticeSend, noticeSendId } from '../workflows/notice-send';
import { CORE_QUEUE } from '../workflows/task-queues';

const PAGE = 100;
const NO_ID = '00000000-0000-0000-0000-000000000000';

export interface Relay {
  /** Tells the engine everything that is due now. Answers how many entries it has told. */
  run(): Promise<number>;
  /** Starts the root workflow of every open execution that has none. Answers how many it has looked at. */
  reconcile(): Promise<number>;
}

/**
 * Carries changes from PostgreSQL to the engine: every state change leaves an outbox row in its own transaction, and
 * here it becomes a start or a signal. Told twice is told once: the signal only says "look again".
 */
export function createRelay({
  db,
  client,
  logger,
}: {
  db: Database;
  client: Client;
  logger: Logger;
}): Relay {
  async function tell(entry: OutboxEntry): Promise<void> {
    try {
      const { topic, traceParent: parent, subjectId } = entry;
      const span = {
        name: `tell ${topic}`,
        kind: 'producer',
        parent,
        attributes: { subjectId },
      } as const;
      await traced(span, () => TELL[topic](client, entry.companyId, subjectId));
      await markDelivered(db, entry);
    } catch (error) {
      logger.warn(
        { err: error, topic: entry.topic, subjectId: entry.subjectId },
        'the engine could not be told',
      );
      await postpone(db, entry);
    }
  }

  return {
    async run() {
      const entries = await listDueOutbox(db, PAGE);
      // One signal tells as much as five: entries of one subject follow each other, subjects run side by side.
      const bySubject = new Map<string, OutboxEntry[]>();
      for (const entry of entries)
        bySubject.set(entry.subjectId, [...(bySubject.get(entry.subjectId) ?? []), entry]);
      await Promise.all(
        [...bySubject.values()].map(async ([first, ...rest]) => {
          if (first !== undefined) await tell(first);
          for (const entry of rest) await markDelivered(db, entry);
        }),
      );
      return entries.length;
    },
    async reconcile() {
      let seen = 0;
      for (let after = NO_ID; ;) {
        const page = await listOpenExecutions(db, after, PAGE);
        for (const { id, companyId } of page) await startMissing(client, companyId, id);
        seen += page.length;
        const last = page.at(-1);
        if (last === undefined || page.length < PAGE) return seen;
        after = last.id;
      }
    },
  };
}

const rootOf = (companyId: string, executionId: string) => ({
  workflowId: campaignDispatchId(executionId),
  taskQueue: CORE_QUEUE,
  args: [{ companyId, executionId }] as [CampaignDispatchInput],
  staticSummary: 'Campaign execution',
});

/** The root of an execution: started where it is missing, told to look again where it is there. */
async function startOrSignal(
  client: Client,
  companyId: string,
  executionId: string,
): Promise<void> {
  await client.workflow.signalWithStart(campaignDispatch, {
    ...rootOf(companyId, executionId),
    signal: lookAgainSignal,
    signalArgs: [],
  });
}

/** A root that is there is left alone: woken twice a minute, it would wake its lanes and fill their histories. */
async function startMissing(client: Client, companyId: string, executionId: string): Promise<void> {
  await client.workflow.start(campaignDispatch, {
    ...rootOf(companyId, executionId),
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
}

/** Sending the same notice twice does nothing the second time, so a repeated start is harmless. */
async function startNotice(client: Client, companyId: string, tokenId: string): Promise<void> {
  await client.workflow.start(noticeSend, {
    workflowId: noticeSendId(tokenId),
    taskQueue: CORE_QUEUE,
    args: [{ companyId, tokenId }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: 'Account e-mail',
  });
}

const TELL: Record<
  OutboxEntry['topic'],
  (client: Client, companyId: string, subjectId: string) => Promise<void>
> = {
  execution: startOrSignal,
  notice: startNotice,
};
