import { z } from '@hono/zod-openapi';
import type { Submission as Frozen } from '../../domain/campaign-offers';
import { BILLING_UNITS } from '../../domain/brokers';
import { BUDGET_POLICIES } from '../../domain/campaign-settings';
import { CampaignInput } from '../../domain/campaigns.schema';
import { audienceOf } from '../../prisma/audiences';
import { submissionOf } from '../../prisma/campaigns/approval';
import { readNames, readProgress } from '../../prisma/campaigns/progress';
import { isEditor } from '../../prisma/campaigns/scope';
import type {
  Audience as AudienceRow,
  Campaign as CampaignRow,
} from '../../prisma/generated/client';
import type { TenantTx } from '../../prisma/tenant';
import type { Actor } from '../context';
import { CampaignItem, iso, showItem } from './show';
import { Execution, Person, Progress, showExecution, showProgress } from './show-progress';

const moment = z.iso.datetime();

/** What was frozen when the campaign was submitted, for the approver to look at. */
const Submission = z
  .object({
    version: z.string(),
    name: z.string(),
    audience: z.object({
      id: z.uuid(),
      recipients: z.int(),
      sendable: z.int(),
      units: z.int(),
    }),
    fish: z.object({ contacts: z.int(), units: z.int() }),
    price: z.string(),
    estimatedCost: z.string(),
    currency: z.string(),
    billingUnit: z.enum(BILLING_UNITS),
    message: z.object({
      baseMessage: z.string().nullable(),
      template: z
        .object({
          code: z.string(),
          content: z.string(),
          variables: z.record(z.string(), z.string()),
        })
        .nullable(),
    }),
    walletId: z.uuid(),
    brokerId: z.uuid(),
    credentialId: z.uuid(),
    scheduledAt: moment.nullable(),
    sendUntil: moment.nullable(),
    sendWindow: CampaignInput.shape.sendWindow.unwrap(),
    throttle: z.object({
      type: z.string(),
      delayMs: z.int().optional(),
      minDelayMs: z.int().optional(),
      maxDelayMs: z.int().optional(),
    }),
    onBudgetExhausted: z.enum(BUDGET_POLICIES),
  })
  .openapi('Submission');

const Audience = z.object({
  id: z.uuid(),
  source: z.string(),
  state: z.string(),
  fileName: z.string().nullable(),
  recipients: z.int(),
  createdAt: moment,
});

const hand = { by: Person.nullable(), at: moment.nullable() };

/** One campaign with everything that is known of it. */
export const Campaign = CampaignItem.extend({
  createdBy: Person.nullable(),
  audience: Audience.nullable(),
  approval: z.object({
    submission: Submission.nullable(),
    submitted: z.object(hand),
    approved: z.object(hand),
    rejected: z.object({ ...hand, reason: z.string().nullable() }),
    mayApprove: z.boolean().openapi({ description: 'Whether whoever asks may approve it now' }),
  }),
  execution: Execution.nullable(),
  progress: Progress,
}).openapi('Campaign');

/** Reads and shows a campaign as this actor sees it. */
export async function showCampaign(
  tx: TenantTx,
  actor: Actor,
  row: CampaignRow,
): Promise<z.infer<typeof Campaign>> {
  const progress = await readProgress(tx, row);
  const audience = await audienceOf(tx, row);
  const creator = row.userId ?? row.apiKeyId;
  const { submittedBy, approvedBy, rejectedBy } = row;
  const names = await readNames(tx, [creator, submittedBy, approvedBy, rejectedBy]);
  const person = (id: string | null) => (id === null ? null : { id, name: names.get(id) ?? null });
  const mayApprove =
    row.state === 'PENDING_APPROVAL' &&
    actor.permissions.includes('campaigns:approve') &&
    !(await isEditor(tx, actor, row));
  return {
    ...showItem(row),
    createdBy: person(creator),
    audience: audience === null ? null : showAudience(audience),
    approval: {
      submission: showSubmission(submissionOf(row)),
      submitted: { by: person(submittedBy), at: iso(row.submittedAt) },
      approved: { by: person(approvedBy), at: iso(row.approvedAt) },
      rejected: {
        by: person(rejectedBy),
        at: iso(row.rejectedAt),
        reason: row.rejectionReason,
      },
      mayApprove,
    },
    execution: progress.execution === null ? null : showExecution(progress.execution),
    progress: showProgress(row, progress),
  };
}

function showAudience(row: AudienceRow): z.infer<typeof Audience> {
  const { id, source, state, fileName, recipients, createdAt } = row;
  return { id, source, state, fileName, recipients, createdAt: createdAt.toISOString() };
}

function showSubmission(submission: Frozen | null): z.infer<typeof Submission> | null {
  if (submission === null) return null;
  const { sendWindow } = submission;
  return {
    ...submission,
    sendWindow: sendWindow === null ? null : { ...sendWindow, days: [...sendWindow.days] },
  };
}
