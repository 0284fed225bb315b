import { z } from 'zod';
import { BILLING_UNITS } from './brokers';
import { CHANNELS } from './channels';
import { Price } from './money.schema';
import { plainText, SearchText } from './plain-text.schema';

/** Messages per second of the provider account, up to three places. */
const RatePerSecond = z.number().positive().max(1_000_000).multipleOf(0.001);

const Fields = z.strictObject({
  name: plainText(200),
  provider: z.string().min(1).max(50),
  channel: z.enum(CHANNELS),
  costPerMessage: Price,
  billingUnit: z.enum(BILLING_UNITS),
  ratePerSecond: RatePerSecond.nullable(),
});

/** A contract with a messaging vendor for one channel: what a message costs and how fast the vendor takes them. */
export const BrokerInput = Fields.extend({
  costPerMessage: Price.default('0'),
  billingUnit: z.enum(BILLING_UNITS).default('message'),
  ratePerSecond: RatePerSecond.nullable().default(null),
});
export type BrokerInput = z.infer<typeof BrokerInput>;

export const BrokerPatch = Fields.partial();
export type BrokerPatch = z.infer<typeof BrokerPatch>;

export const BrokerFilter = z.object({
  text: SearchText.optional().describe('A part of the name.'),
  provider: z.string().max(50).optional(),
  channel: z.enum(CHANNELS).optional(),
});
export type BrokerFilter = z.infer<typeof BrokerFilter>;
