import { z } from 'zod';
import { PERMISSIONS } from './permissions';
import { plainText } from './plain-text.schema';
import { QueryBoolean } from './query.schema';

export const ApiKeyInput = z.strictObject({
  name: plainText(200),
  /** At most what the person who makes it may do. */
  scopes: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .max(PERMISSIONS.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, 'must not repeat a scope'),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});

export const ApiKeyFilter = z.object({
  /** A person's id, or `me`. */
  createdBy: z.union([z.literal('me'), z.uuid()]).optional(),
  /** true: only keys that work; false: only those that have ended. */
  live: QueryBoolean.optional(),
});
export type ApiKeyFilter = z.infer<typeof ApiKeyFilter>;
