/** A search for a part of a text, in which % and _ are themselves. */
export function containing(
  text: string | undefined,
): { contains: string; mode: 'insensitive' } | undefined {
  return text === undefined
    ? undefined
    : { contains: text.replace(/[\\%_]/g, String.raw`\$&`), mode: 'insensitive' };
}
