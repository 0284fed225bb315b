import { z } from 'zod';
import { DOCUMENT_REFUSALS, parseDocument } from './documents';

/** A CPF or CNPJ in any spelling; parsed to its digits (and capitals) alone. */
export const DocumentText = z
  .string()
  .max(60)
  .transform((raw, context) => {
    const document = parseDocument(raw);
    if (document.ok) return document.value;
    context.addIssue({ code: 'custom', message: DOCUMENT_REFUSALS[document.reason] });
    return z.NEVER;
  });
