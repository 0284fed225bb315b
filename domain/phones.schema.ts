import { z } from 'zod';
import { parsePhone, type PhoneRejectReason } from './phones';

const REASONS: Readonly<Record<PhoneRejectReason, string>> = {
  empty: 'is empty',
  spreadsheet_damaged: 'was damaged by a spreadsheet (scientific notation)',
  letters: 'contains letters',
  several_numbers: 'contains several numbers',
  missing_area_code: 'has no area code',
  invalid_area_code: 'has an area code that does not exist',
  wrong_length: 'has too few or too many digits',
  landline: 'is a landline',
  service_number: 'is a service number',
  invalid_number: 'is not a phone number',
};

function phoneText(requireMobile: boolean) {
  return z
    .string()
    .max(60)
    .transform((raw, context) => {
      const phone = parsePhone(raw, { defaultCountry: 'BR', requireMobile });
      if (phone.ok) return phone.e164;
      context.addIssue({ code: 'custom', message: REASONS[phone.reason] });
      return z.NEVER;
    });
}

/** A phone in any spelling, Brazilian where it names no country; parsed to E.164. */
export const PhoneText = phoneText(false);

/** The same, of a phone that takes SMS. */
export const MobileText = phoneText(true);
