import { z } from 'zod';
import { MobileText, PhoneText } from './phones.schema';
import { plainText, SearchText } from './plain-text.schema';

/** Somebody of the company who receives every campaign, to see that it goes out. */
export const FishInput = z.strictObject({
  name: plainText(200),
  phone: MobileText.describe(
    'A fish receives every campaign, those by SMS too, so a landline is none.',
  ),
});
export type FishInput = z.infer<typeof FishInput>;

export const FishPatch = FishInput.partial();
export type FishPatch = z.infer<typeof FishPatch>;

export const FishFilter = z.object({
  text: SearchText.optional().describe('A part of the name.'),
  phone: PhoneText.optional(),
});
export type FishFilter = z.infer<typeof FishFilter>;
