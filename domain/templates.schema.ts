import { z } from 'zod';
import { plainText, SearchText, writtenText } from './plain-text.schema';

const Content = writtenText(5_000).min(1);
const Variables = z.record(z.string().min(1).max(40), plainText(80));
/** One person's values by column (`nome`) or by number (`1`). */
const Values = z.record(z.string().min(1).max(80), writtenText(1_000));

const Fields = z.strictObject({
  name: plainText(200),
  templateCode: plainText(200),
  content: Content,
  variables: Variables,
});

/** A message as the vendor has approved it, under the code that its API asks for. */
export const TemplateInput = Fields.extend({ variables: Variables.default({}) });
export type TemplateInput = z.infer<typeof TemplateInput>;

export const TemplatePatch = Fields.partial();
export type TemplatePatch = z.infer<typeof TemplatePatch>;

export const TemplateFilter = z.object({
  text: SearchText.optional().describe('A part of the name.'),
  templateCode: z.string().max(200).optional(),
});
export type TemplateFilter = z.infer<typeof TemplateFilter>;

export const TemplateValues = z.strictObject({ values: Values.default({}) });

/** A template that is not stored yet, and one person's values. */
export const TemplateDraft = z.strictObject({
  content: Content,
  variables: Variables.default({}),
  values: Values.default({}),
});
