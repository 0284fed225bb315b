import { throttleOf } from '../../domain/campaign-settings';
import type { BillingUnit } from '../../domain/brokers';
import type { CampaignMessage, CampaignPlan } from '../../domain/campaign-plans';
import type { Channel } from '../../domain/channels';
import { companySettings, type FrequencyCap } from '../../domain/companies';
import type { FieldError } from '../../domain/errors';
import type { QuietHours } from '../../domain/send-windows';
import { checkTemplate } from '../../domain/templates';
import type { Audience, Broker, Campaign, Credential, Template } from '../generated/client';
import { textOf } from '../templates';
import type { TenantTx } from '../tenant';
import { settingsOf } from './index';

/** What a campaign refers to, as it is now. */
export interface CampaignSource {
  campaign: Campaign;
  broker: Broker;
  /** The one active account of wallet and broker. */
  credential: Pick<Credential, 'id'> | null;
  template: Template | null;
  audience: Audience | null;
  company: {
    timeZone: string;
    currency: string;
    quietHours: QuietHours | null;
    frequencyCap: FrequencyCap | null;
  };
}

export async function readSource(tx: TenantTx, campaign: Campaign): Promise<CampaignSource> {
  const { walletId, brokerId, templateId, audienceId, companyId } = campaign;
  const company = await tx.company.findUniqueOrThrow({ where: { id: companyId } });
  const { quietHours, frequencyCap } = companySettings(company.settings);
  return {
    campaign,
    broker: await tx.broker.findUniqueOrThrow({ where: { id: brokerId } }),
    credential: await tx.credential.findFirst({
      where: { walletId, brokerId, active: true },
      select: { id: true },
    }),
    template:
      templateId === null ? null : await tx.template.findUnique({ where: { id: templateId } }),
    audience:
      audienceId === null ? null : await tx.audience.findUnique({ where: { id: audienceId } }),
    company: {
      timeZone: company.timeZone,
      currency: company.currency,
      quietHours,
      frequencyCap,
    },
  };
}

export function messageOf({ campaign, template }: CampaignSource): CampaignMessage {
  const { baseMessage } = campaign;
  if (template === null) return { baseMessage, template: null };
  return { baseMessage, template: { code: template.templateCode, ...textOf(template) } };
}

/** What keeps any message of this campaign from being sent, to whomever. */
export function sourceProblems({ credential, template }: CampaignSource): FieldError[] {
  const problems: FieldError[] = [];
  if (credential === null) {
    const detail = 'has no active credential for this broker';
    problems.push({ pointer: '/walletId', detail });
  }
  if (template !== null) {
    try {
      checkTemplate(textOf(template));
    } catch {
      const detail = 'has a content that does not fit its variables; the template must be mended';
      problems.push({ pointer: '/templateId', detail });
    }
  }
  return problems;
}

/** What the dispatch works by, of everything that is not in the audience. */
export function planOf(source: CampaignSource): CampaignPlan {
  const { campaign, broker, audience, company } = source;
  const { throttlingType, throttlingConfig, sendWindow } = settingsOf(campaign);
  return {
    campaignName: campaign.name,
    message: messageOf(source),
    throttle: throttleOf(throttlingType, throttlingConfig),
    sendWindow,
    quietHours: company.quietHours,
    billingUnit: broker.billingUnit as BillingUnit,
    ratePerSecond: broker.ratePerSecond?.toNumber() ?? null,
    // The company's own zone is that of the fish.
    timeZones: [...new Set([...(audience?.timeZones ?? []), company.timeZone])],
  };
}

export const channelOf = ({ broker }: CampaignSource): Channel => broker.channel as Channel;
