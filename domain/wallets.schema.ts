import { z } from 'zod';
import { plainText, SearchText } from './plain-text.schema';

/** Who pays: a portfolio of a client of the company. `idgisAmbiente` is its id in the legacy systems. */
export const WalletInput = z.strictObject({
  name: plainText(200),
  idgisAmbiente: z.int().min(0).max(2_147_483_647),
});
export type WalletInput = z.infer<typeof WalletInput>;

export const WalletPatch = WalletInput.partial();
export type WalletPatch = z.infer<typeof WalletPatch>;

export const WalletFilter = z.object({
  text: SearchText.optional(),
  idgisAmbiente: z.coerce.number().int().optional(),
});
export type WalletFilter = z.infer<typeof WalletFilter>;
