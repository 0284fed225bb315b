import { z } from 'zod';
import { parseDocument, type DocumentRejectReason } from './documents';

const REASONS: Readonly<Record<DocumentRejectReason, string>> = {
  empty: 'is empty',
  spreadsheet_damaged: 'was damaged by a spreadsheet (scientific notation)',
  invalid_document: 'is not a valid CPF or CNPJ',
};

/** A CPF or CNPJ in any spelling; parsed to its digits (and capitals) alone. */
export const DocumentText = z
  .string()
  .max(60)
  .transform((raw, context) => {
    const document = parseDocument(raw);
    if (document.ok) return document.value;
    context.addIssue({ code: 'custom', message: REASONS[document.reason] });
    return z.NEVER;
  });
