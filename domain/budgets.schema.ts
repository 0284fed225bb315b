import { z } from 'zod';
import { Amount } from './money.schema';

const Year = z.int().min(2000).max(2999);
const Month = z.int().min(1).max(12);

/** What a wallet may spend in one month of the company's time zone. */
export const BudgetInput = z.strictObject({
  walletId: z.uuid(),
  year: Year,
  month: Month,
  budget: Amount,
});
export type BudgetInput = z.infer<typeof BudgetInput>;

/** Only the limit can change; what is used and reserved is the dispatch's. */
export const BudgetPatch = z.strictObject({ budget: Amount });
export type BudgetPatch = z.infer<typeof BudgetPatch>;

export const BudgetFilter = z.object({
  walletId: z.uuid().optional(),
  year: z.coerce.number().pipe(Year).optional(),
  month: z.coerce.number().pipe(Month).optional(),
});
export type BudgetFilter = z.infer<typeof BudgetFilter>;
