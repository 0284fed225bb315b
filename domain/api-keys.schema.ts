import { z } from 'zod';
import { Instant } from './instants.schema';
import { PERMISSIONS } from './permissions';
import { plainText } from './plain-text.schema';
import { QueryBoolean } from './query.schema';

export const ApiKeyInput = z.strictObject({
  name: plainText(200),
  scopes: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .max(PERMISSIONS.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, 'must not repeat a scope')
    .describe('At most what the person who makes it may do.'),
  expiresAt: Instant.optional(),
});

export const ApiKeyFilter = z.object({
  createdBy: z
    .union([z.literal('me'), z.uuid()])
    .optional()
    .describe("A person's id, or `me`."),
  live: QueryBoolean.optional().describe(
    'true: only keys that work; false: only those that have ended.',
  ),
});
export type ApiKeyFilter = z.infer<typeof ApiKeyFilter>;
