import type { BillingUnit } from './brokers';
import type { CampaignMessage, Throttle } from './campaign-plans';
import type { BudgetPolicy } from './campaign-settings';
import type { SendWindow } from './send-windows';

/**
 * What is submitted, looked at and approved. Whatever an approver must see is in it, so that a change of any of it
 * (a new price, another text of the template, one more fish) shows as a difference.
 */
export interface CampaignOffer {
  name: string;
  audience: {
    id: string;
    recipients: number;
    /** Those who can be sent to as far as is known now. */
    sendable: number;
    /** What they cost in units of the price: messages or SMS segments. */
    units: number;
  };
  /** The company's own control contacts, beside the audience. */
  fish: { contacts: number; units: number };
  /** Decimal strings: per unit, and of everybody together. */
  price: string;
  estimatedCost: string;
  currency: string;
  billingUnit: BillingUnit;
  message: CampaignMessage;
  walletId: string;
  brokerId: string;
  credentialId: string;
  scheduledAt: string | null;
  sendUntil: string | null;
  sendWindow: SendWindow | null;
  throttle: Throttle;
  onBudgetExhausted: BudgetPolicy;
}

/** An offer as it was frozen; `version` stands for all of it. */
export interface Submission extends CampaignOffer {
  version: string;
}

/** The same text for the same value, whatever the order in which its fields were written. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The fields in which two offers differ. */
export function offerChanges(before: CampaignOffer, now: CampaignOffer): string[] {
  const then: Readonly<Record<string, unknown>> = { ...before };
  return Object.entries(now)
    .filter(([field, value]) => canonicalJson(value) !== canonicalJson(then[field]))
    .map(([field]) => field);
}
