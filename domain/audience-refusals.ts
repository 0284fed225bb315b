import type { RejectReason } from './audience-rows';
import { DOCUMENT_REFUSALS } from './documents';
import { PHONE_REFUSALS } from './phones/refusals';

/** What is wrong with a row, said of the field in which it is. */
export const ROW_REFUSALS: Readonly<Record<RejectReason, string>> = {
  ...PHONE_REFUSALS,
  missing_address: 'is empty',
  invalid_email: 'is not an e-mail address',
  invalid_document: DOCUMENT_REFUSALS.invalid_document,
  too_long: 'is too long',
  column_count: 'is in a row with too many or too few values',
  broken_placeholder: 'has braces that are no variable',
  invalid_encoding: 'is not written in the encoding of the file',
  invalid_quotes: 'has a quote that is never closed',
  row_too_large: 'is in a row that is too large',
};
