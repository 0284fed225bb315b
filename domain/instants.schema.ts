import { z } from 'zod';

const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** An instant with its offset, in the years that JSON and PostgreSQL write alike: by the offset it may leave them. */
export const Instant = z.iso
  .datetime({ offset: true })
  .refine(
    (text) => {
      const ms = Date.parse(text);
      // What is no date at all has its own message.
      return !(ms < FIRST_MS || ms > LAST_MS);
    },
    { error: 'must be an instant of the years 1 to 9999 in UTC' },
  )
  .transform((text) => new Date(text));
