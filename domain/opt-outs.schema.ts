import { z } from 'zod';
import { addressKind, CHANNELS, type Channel } from './channels';
import { PhoneText } from './phones.schema';
import { writtenText } from './plain-text.schema';

const EmailText = z
  .string()
  .trim()
  .toLowerCase()
  .max(254)
  .regex(/^[^\s@]{1,64}@[^\s@]+\.[^\s@]+$/, 'is not an e-mail address');

/** An address as the gate compares it: a phone in E.164, an e-mail in lower case. */
function readAddress(channel: Channel, address: string) {
  const schema = addressKind(channel) === 'phone' ? PhoneText : EmailText;
  return schema.safeParse(address);
}

/** Somebody who asked not to be reached through this channel any more. */
export const OptOutInput = z
  .strictObject({
    channel: z.enum(CHANNELS),
    address: z.string().max(254),
    reason: writtenText(500).trim().nullable().default(null),
  })
  .transform((input, context) => {
    const address = readAddress(input.channel, input.address);
    if (address.success) return { ...input, address: address.data };
    for (const { message } of address.error.issues)
      context.addIssue({ code: 'custom', message, path: ['address'] });
    return z.NEVER;
  });
export type OptOutInput = z.infer<typeof OptOutInput>;

/** `address` in any spelling: it is looked for as an e-mail when it has an @, else as a phone. */
export const OptOutFilter = z.object({
  channel: z.enum(CHANNELS).optional(),
  address: z
    .string()
    .max(254)
    .transform((raw, context) => {
      const address = readAddress(raw.includes('@') ? 'email' : 'sms', raw);
      if (address.success) return address.data;
      context.addIssue({ code: 'custom', message: 'is not an address' });
      return z.NEVER;
    })
    .optional(),
});
export type OptOutFilter = z.infer<typeof OptOutFilter>;
