import { z } from 'zod';
import { Amount } from './money.schema';
import { queryInt } from './query.schema';

const YEARS = [2000, 2999] as const;
const MONTHS = [1, 12] as const;

/** What a wallet may spend in one month of the company's time zone. */
export const BudgetInput = z.strictObject({
  walletId: z.uuid(),
  year: z.int().min(YEARS[0]).max(YEARS[1]),
  month: z.int().min(MONTHS[0]).max(MONTHS[1]),
  budget: Amount,
});
export type BudgetInput = z.infer<typeof BudgetInput>;

/** Only the limit can change; what is used and reserved is the dispatch's. */
export const BudgetPatch = z.strictObject({ budget: Amount });
export type BudgetPatch = z.infer<typeof BudgetPatch>;

export const BudgetFilter = z.object({
  walletId: z.uuid().optional(),
  year: queryInt(...YEARS).optional(),
  month: queryInt(...MONTHS).optional(),
});
export type BudgetFilter = z.infer<typeof BudgetFilter>;
