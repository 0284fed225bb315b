import { z } from 'zod';
import { parsePhone } from './phones';
import { PHONE_REFUSALS } from './phones/refusals';

function phoneText(requireMobile: boolean) {
  return z
    .string()
    .max(60)
    .transform((raw, context) => {
      const phone = parsePhone(raw, { defaultCountry: 'BR', requireMobile });
      if (phone.ok) return phone.e164;
      context.addIssue({ code: 'custom', message: PHONE_REFUSALS[phone.reason] });
      return z.NEVER;
    });
}

/** A phone in any spelling, Brazilian where it names no country; parsed to E.164. */
export const PhoneText = phoneText(false);

/** The same, of a phone that takes SMS. */
export const MobileText = phoneText(true);
