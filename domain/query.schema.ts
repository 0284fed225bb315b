import { z } from 'zod';

/** `true` or `false` in a query. */
export const QueryBoolean = z
  .stringbool({ truthy: ['true'], falsy: ['false'] })
  .meta({ type: 'boolean' });

/** A whole number in a query. */
export const queryInt = (min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).meta({ type: 'integer', minimum: min, maximum: max });
