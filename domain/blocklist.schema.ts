import { z } from 'zod';
import { DocumentText } from './documents.schema';
import { PhoneText } from './phones.schema';
import { SearchText, writtenText } from './plain-text.schema';

const Fields = z.strictObject({
  phone: PhoneText.nullable().optional(),
  cpfCnpj: DocumentText.nullable().optional(),
  reason: writtenText(500).trim().nullable().optional(),
});

/** Somebody who gets no message, by phone or by CPF or CNPJ; an entry with both blocks either. */
export const BlocklistInput = Fields.refine(
  (entry) => (entry.phone ?? entry.cpfCnpj ?? null) !== null,
  { error: 'give a phone, a cpfCnpj or both', path: ['phone'] },
);
export type BlocklistInput = z.infer<typeof BlocklistInput>;

export const BlocklistPatch = Fields;
export type BlocklistPatch = z.infer<typeof BlocklistPatch>;

export const BlocklistFilter = z.object({
  phone: PhoneText.optional(),
  cpfCnpj: DocumentText.optional(),
  text: SearchText.optional().describe('A part of the reason.'),
});
export type BlocklistFilter = z.infer<typeof BlocklistFilter>;

export const BlocklistIds = z.strictObject({ ids: z.array(z.uuid()).min(1).max(1_000) });
