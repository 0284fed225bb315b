import { z } from 'zod';
import { QueryBoolean } from './query.schema';

/** What the vendor asks for, as `{ "url": …, "token": … }`; the broker's vendor checks it. */
const CredentialConfig = z.record(z.string().min(1).max(100), z.unknown());

/** How a wallet logs in to a broker; of one pair, at most one credential is active. */
export const CredentialInput = z.strictObject({
  walletId: z.uuid(),
  brokerId: z.uuid(),
  active: z.boolean().default(true),
  config: CredentialConfig,
});
export type CredentialInput = z.infer<typeof CredentialInput>;

/** A new config replaces the whole of the old one, which nobody can read back. */
export const CredentialPatch = z.strictObject({
  active: z.boolean().optional(),
  config: CredentialConfig.optional(),
});
export type CredentialPatch = z.infer<typeof CredentialPatch>;

export const CredentialFilter = z.object({
  walletId: z.uuid().optional(),
  brokerId: z.uuid().optional(),
  active: QueryBoolean.optional(),
});
export type CredentialFilter = z.infer<typeof CredentialFilter>;
