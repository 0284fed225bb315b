import { z } from '@hono/zod-openapi';
import {
  CAMPAIGN_STATES,
  campaignStateOf,
  WAIT_REASONS,
  type CampaignState,
  type ExecutionState,
} from '../../domain/campaigns';
import { tallyExecutions, type Tally } from '../../domain/campaign-progress';
import type { CountedExecution, Progress as ProgressRead } from '../../prisma/campaigns/progress';
import type { CampaignExecution, Campaign } from '../../prisma/generated/client';
import { iso } from './show';

const moment = z.iso.datetime();

export const Person = z.object({ id: z.uuid(), name: z.string().nullable() }).openapi('Person');

const Counts = z
  .object({
    recipients: z.int(),
    sent: z.int(),
    delivered: z.int(),
    read: z.int(),
    clicked: z.int(),
    undelivered: z.int(),
    failed: z.int(),
    skipped: z.int(),
    unknown: z.int(),
    cancelled: z.int(),
    waiting: z.int(),
    queued: z.int(),
    sending: z.int(),
  })
  .openapi('PeopleCounts', {
    description:
      'recipients = sent + failed + skipped + unknown + cancelled + waiting + queued + sending; ' +
      'delivered, read, clicked and undelivered are parts of sent',
  });

const Money = z.object({ reserved: z.string(), used: z.string() });

/** What changes while a campaign is sent; also what its events carry. */
export const Progress = z
  .object({
    state: z.enum(CAMPAIGN_STATES),
    stateReason: z.string().nullable(),
    counts: Counts,
    fish: Counts.openapi({ description: 'The control contacts, beside the count of people' }),
    ratePerSecond: z.number().nullable(),
    estimatedEnd: moment.nullable(),
    money: Money,
    waiting: z
      .object({
        reason: z.enum(WAIT_REASONS),
        until: moment.nullable(),
        note: z.string().nullable(),
        by: Person.nullable(),
      })
      .nullable()
      .openapi({ description: 'Why nothing is sent at this moment' }),
  })
  .openapi('CampaignProgress');

export function showProgress(campaign: Campaign, progress: ProgressRead): z.infer<typeof Progress> {
  const { waiting } = progress;
  return {
    state: campaign.state as CampaignState,
    stateReason: campaign.stateReason,
    ...showTally(progress),
    ratePerSecond: progress.ratePerSecond,
    estimatedEnd: iso(progress.estimatedEnd),
    waiting: waiting === null ? null : { ...waiting, until: iso(waiting.until) },
  };
}

const showTally = ({ counts, fish, money }: Tally) => ({ counts, fish, money });

const executionFields = {
  id: z.uuid(),
  type: z.enum(['manual', 'scheduled', 'triggered', 'retry', 'test']),
  state: z.enum(CAMPAIGN_STATES),
  stateReason: z.string().nullable(),
  retryOf: z.uuid().nullable(),
  price: z.string(),
  createdAt: moment,
  startedAt: moment.nullable(),
  finishedAt: moment.nullable(),
};

export const Execution = z.object(executionFields).openapi('Execution');

export const CountedExecutionItem = z
  .object({ ...executionFields, counts: Counts, fish: Counts, money: Money })
  .openapi('CountedExecution');

export function showExecution(row: CampaignExecution): z.infer<typeof Execution> {
  return {
    id: row.id,
    type: row.executionType as z.infer<typeof executionFields.type>,
    state: campaignStateOf(row.state as ExecutionState),
    stateReason: row.stateReason,
    retryOf: row.retryOf,
    price: row.price.toFixed(4),
    createdAt: row.createdAt.toISOString(),
    startedAt: iso(row.startedAt),
    finishedAt: iso(row.finishedAt),
  };
}

/** An execution by itself: a retry counts its own people. */
export const showCounted = (counted: CountedExecution): z.infer<typeof CountedExecutionItem> => ({
  ...showExecution(counted.execution),
  ...showTally(tallyExecutions([{ ...counted, isRetry: false }])),
});
