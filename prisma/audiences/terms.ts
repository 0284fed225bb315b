import { createHash } from 'node:crypto';
import type { MessageTerms } from '../../domain/audience-assessment';
import { canonicalJson } from '../../domain/campaign-offers';
import { channelOf, messageOf, type CampaignSource } from '../campaigns/sources';
import type { BillingUnit } from '../../domain/brokers';

/** What a campaign's people would be told now, and how it is paid for. */
export function termsOf(source: CampaignSource): MessageTerms {
  return {
    message: messageOf(source),
    billingUnit: source.broker.billingUnit as BillingUnit,
    channel: channelOf(source),
  };
}

/** Stands for the terms: an audience that was assessed with the same version needs no second look. */
export function termsVersion({ message, billingUnit, channel }: MessageTerms): string {
  const { baseMessage, template } = message;
  const said = template ?? baseMessage;
  return createHash('sha256').update(canonicalJson({ said, billingUnit, channel })).digest('hex');
}

/** Whether the people of this campaign were weighed with what it says now. */
export function isAssessed(source: CampaignSource): boolean {
  return source.audience?.assessedWith === termsVersion(termsOf(source));
}
