import { z } from 'zod';

/** A decimal string: at most `whole` digits, then up to four after a point. */
const decimal = (whole: number) =>
  z
    .string({ error: 'must be a decimal string, as "1500.00"' })
    .regex(
      new RegExp(`^\\d{1,${whole}}(\\.\\d{1,4})?$`),
      `must be a decimal string with at most ${whole} digits before the point and 4 after it, as "1500.00"`,
    );

/** Numeric(14,4): a budget. */
export const Amount = decimal(10);

/** Numeric(10,4): what one message or one SMS segment costs. */
export const Price = decimal(6);
