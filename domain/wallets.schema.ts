import { z } from 'zod';
import { plainText, SearchText } from './plain-text.schema';
import { queryInt } from './query.schema';

const MAX_IDGIS = 2_147_483_647;

/** Who pays: a portfolio of a client of the company. `idgisAmbiente` is its id in the legacy systems. */
export const WalletInput = z.strictObject({
  name: plainText(200),
  idgisAmbiente: z.int().min(0).max(MAX_IDGIS),
});
export type WalletInput = z.infer<typeof WalletInput>;

export const WalletPatch = WalletInput.partial();
export type WalletPatch = z.infer<typeof WalletPatch>;

export const WalletFilter = z.object({
  text: SearchText.optional().describe('A part of the name.'),
  idgisAmbiente: queryInt(0, MAX_IDGIS).optional(),
});
export type WalletFilter = z.infer<typeof WalletFilter>;
