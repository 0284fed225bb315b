import type { PhoneRejectReason } from './index';

/** What is wrong with a phone, said of its field. */
export const PHONE_REFUSALS: Readonly<Record<PhoneRejectReason, string>> = {
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
