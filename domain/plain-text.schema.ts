import { z } from 'zod';

/** One line of text for people: trimmed, not empty, without control characters (a database cannot store U+0000). */
export function plainText(maxLength: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(/^\P{Cc}*$/u, 'must not contain control characters');
}
