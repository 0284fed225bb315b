import type { Channel } from './channels';
import { RegenteError, type FieldError } from './errors';

export const BILLING_UNITS = ['message', 'segment'] as const;
export type BillingUnit = (typeof BILLING_UNITS)[number];

/**
 * What the fields of a broker must agree on.
 * @param vendorChannels what its provider can send through
 * @throws VALIDATION with a pointer to each field that disagrees
 */
export function checkBroker(
  broker: { provider: string; channel: Channel; billingUnit: BillingUnit },
  vendorChannels: readonly Channel[],
): void {
  const fields: FieldError[] = [];
  if (!vendorChannels.includes(broker.channel)) {
    fields.push({
      pointer: '/channel',
      detail: `must be one of ${vendorChannels.join(', ')}, which ${broker.provider} can send`,
    });
  }
  if (broker.billingUnit === 'segment' && broker.channel !== 'sms') {
    fields.push({ pointer: '/billingUnit', detail: 'segment is for the channel sms only' });
  }
  if (fields.length > 0)
    throw new RegenteError('VALIDATION', 'The fields of this broker do not agree.', { fields });
}
