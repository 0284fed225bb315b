import { z } from 'zod';

const NO_CONTROLS = String.raw`^\P{Cc}*$`;
const LINES = String.raw`^[\P{Cc}\t\n\r]*$`;

// The pattern is said once more for the document, in which a pattern has no flags and is always a Unicode one.

/** One line of text for people: trimmed, not empty, without control characters (a database cannot store U+0000). */
export function plainText(maxLength: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(new RegExp(NO_CONTROLS, 'u'), 'must not contain control characters')
    .meta({ pattern: NO_CONTROLS });
}

/** A part of a text that is looked for, in any case. */
export const SearchText = z.string().max(200);

/** Text for people in any number of lines, which may be none: of control characters only tabs and line breaks. */
export function writtenText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(new RegExp(LINES, 'u'), 'must not contain control characters but tabs and line breaks')
    .meta({ pattern: LINES });
}
