import { z } from 'zod';

const YearMonth = z.string().regex(/^2\d{3}-(0[1-9]|1[0-2])$/, 'must be a month, as 2026-01');

/** Months, both included; without them, everything that was ever spent. */
export const SpendingFilter = z.object({
  fromMonth: YearMonth.optional().describe('The first month.'),
  toMonth: YearMonth.optional().describe('The last month, itself included.'),
  walletId: z.uuid().optional(),
  brokerId: z.uuid().optional(),
});
export type SpendingFilter = z.infer<typeof SpendingFilter>;
