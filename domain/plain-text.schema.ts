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

/** A part of a text that is looked for, in any case. */
export const SearchText = z.string().max(200);

/** Text for people in any number of lines, which may be none: of control characters only tabs and line breaks. */
export function writtenText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(/^[\P{Cc}\t\n\r]*$/u, 'must not contain control characters but tabs and line breaks');
}
