import { z } from '@hono/zod-openapi';
import { CAMPAIGN_STATES, type CampaignState } from '../../domain/campaigns';
import { CampaignInput } from '../../domain/campaigns.schema';
import {
  BUDGET_POLICIES,
  THROTTLING_TYPES,
  type BudgetPolicy,
} from '../../domain/campaign-settings';
import { settingsOf } from '../../prisma/campaigns';
import type { Campaign as CampaignRow } from '../../prisma/generated/client';

const moment = z.iso.datetime();
const shape = CampaignInput.shape;

/** A campaign as lists show it. */
export const CampaignItem = z
  .object({
    id: z.uuid(),
    agendamentoId: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    state: z.enum(CAMPAIGN_STATES),
    stateReason: z.string().nullable(),
    userId: z.uuid().nullable(),
    apiKeyId: z.uuid().nullable(),
    walletId: z.uuid(),
    brokerId: z.uuid(),
    templateId: z.uuid().nullable(),
    audienceId: z.uuid().nullable(),
    baseMessage: z.string().nullable(),
    throttlingType: z.enum(THROTTLING_TYPES),
    throttlingConfig: shape.throttlingConfig.unwrap(),
    scheduledAt: moment.nullable(),
    sendUntil: moment.nullable(),
    sendWindow: shape.sendWindow.unwrap(),
    onBudgetExhausted: z.enum(BUDGET_POLICIES),
    clonedFrom: z.uuid().nullable(),
    submittedBy: z.uuid().nullable(),
    submittedAt: moment.nullable(),
    approvedBy: z.uuid().nullable(),
    approvedAt: moment.nullable(),
    rejectedBy: z.uuid().nullable(),
    rejectedAt: moment.nullable(),
    rejectionReason: z.string().nullable(),
    createdAt: moment,
    updatedAt: moment,
  })
  .openapi('CampaignItem');

export const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

export const showItem = (row: CampaignRow): z.infer<typeof CampaignItem> => {
  const { throttlingType, throttlingConfig, sendWindow } = settingsOf(row);
  return {
    id: row.id,
    agendamentoId: row.agendamentoId,
    name: row.name,
    description: row.description,
    state: row.state as CampaignState,
    stateReason: row.stateReason,
    userId: row.userId,
    apiKeyId: row.apiKeyId,
    walletId: row.walletId,
    brokerId: row.brokerId,
    templateId: row.templateId,
    audienceId: row.audienceId,
    baseMessage: row.baseMessage,
    throttlingType,
    throttlingConfig,
    scheduledAt: iso(row.scheduledAt),
    sendUntil: iso(row.sendUntil),
    sendWindow: sendWindow === null ? null : { ...sendWindow, days: [...sendWindow.days] },
    onBudgetExhausted: row.onBudgetExhausted as BudgetPolicy,
    clonedFrom: row.clonedFrom,
    submittedBy: row.submittedBy,
    submittedAt: iso(row.submittedAt),
    approvedBy: row.approvedBy,
    approvedAt: iso(row.approvedAt),
    rejectedBy: row.rejectedBy,
    rejectedAt: iso(row.rejectedAt),
    rejectionReason: row.rejectionReason,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
};
