import { z } from 'zod';
import { plainText, SearchText } from './plain-text.schema';

const SQUAD_TYPES = ['sales', 'pre_sales', 'cs'] as const;

const fields = {
  name: plainText(200),
  type: z.enum(SQUAD_TYPES),
  targetMonthly: z
    .string()
    .regex(/^\d{1,12}(\.\d{1,2})?$/, 'must be a decimal such as 150000.00')
    .nullable()
    .describe('Revenue aimed at per month, a decimal with up to two places.'),
};

export const SquadInput = z.strictObject({
  ...fields,
  targetMonthly: fields.targetMonthly.optional(),
});
export type SquadInput = z.infer<typeof SquadInput>;

export const SquadPatch = z.strictObject(fields).partial();
export type SquadPatch = z.infer<typeof SquadPatch>;

export const SquadFilter = z.object({
  text: SearchText.optional().describe('A part of the name.'),
  type: z.enum(SQUAD_TYPES).optional(),
});
export type SquadFilter = z.infer<typeof SquadFilter>;

export const SquadMemberInput = z.strictObject({
  userId: z.uuid(),
  isLeader: z.boolean().default(false),
});

export const SquadMemberPatch = z.strictObject({ isLeader: z.boolean() });
