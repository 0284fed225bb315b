import type { BillingUnit } from './brokers';
import type { QuietHours, SendWindow } from './send-windows';

/** The campaign's own pace: time between two consecutive messages of the whole campaign. */
export type Throttle =
  | { type: 'none' }
  | { type: 'fixed'; delayMs: number }
  | { type: 'random'; minDelayMs: number; maxDelayMs: number };

/** What the recipients are told: a vendor template, or a text of our own. */
export interface CampaignMessage {
  baseMessage: string | null;
  template: { code: string; content: string; variables: Record<string, string> } | null;
}

/** What was approved, frozen on the execution; nothing in it is looked up again later. */
export interface CampaignPlan {
  campaignName: string;
  message: CampaignMessage;
  throttle: Throttle;
  sendWindow: SendWindow | null;
  quietHours: QuietHours | null;
  billingUnit: BillingUnit;
  /** Messages per second that the broker allows; null: as fast as it goes. */
  ratePerSecond: number | null;
  /** Time zones of the audience, so that the gate asks each zone once. */
  timeZones: string[];
}

/** The pause after a message, in milliseconds; `random` is a number in [0, 1). */
export function throttleDelayMs(throttle: Throttle, random: number): number {
  switch (throttle.type) {
    case 'none':
      return 0;
    case 'fixed':
      return throttle.delayMs;
    case 'random':
      return Math.round(throttle.minDelayMs + (throttle.maxDelayMs - throttle.minDelayMs) * random);
  }
}
