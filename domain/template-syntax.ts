import { normalizeName } from './column-names';

export type TemplatePart = { kind: 'text'; text: string } | { kind: 'variable'; name: string };

/** The value of a normalised name; null, undefined or blank means that the person has none. */
export type Lookup = (name: string) => string | null | undefined;

export type Rendered = { ok: true; text: string } | { ok: false; missing: string };

const VARIABLE = /\{\{([^{}\r\n]{1,120})\}\}/g;

/**
 * Splits a text into literal parts and variables, once per campaign. `{{ Nome do Cliente }}` and `{{nome_do_cliente}}`
 * are the same variable; braces that enclose no name stay as they are.
 * @param numbered column per number, for vendor templates with `{{1}}`, `{{2}}` …
 */
export function parseTemplate(
  text: string,
  numbered: Readonly<Record<string, string>> = {},
): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literal = '';
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const written = normalizeName(match[1] ?? '');
    literal += text.slice(end, match.index);
    end = match.index + match[0].length;
    if (written === '') {
      literal += match[0];
      continue;
    }
    if (literal !== '') parts.push({ kind: 'text', text: literal });
    literal = '';
    parts.push({ kind: 'variable', name: columnOf(written, numbered) });
  }
  literal += text.slice(end);
  if (literal !== '') parts.push({ kind: 'text', text: literal });
  return parts;
}

/**
 * What is wrong with the double braces of a text, and where, for whoever wrote it; null when each encloses a name.
 * Whatever `parseTemplate` would leave standing would reach people as a hole. Single braces are text.
 */
export function placeholderProblem(text: string): string | null {
  if (!text.includes('{{') && !text.includes('}}')) return null;
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const stray = strayBraces(text, end, match.index);
    if (stray !== null) return stray;
    if (normalizeName(match[1] ?? '') === '') return problemAt(text, match.index, 'names nothing');
    end = match.index + match[0].length;
  }
  return strayBraces(text, end, text.length);
}

function strayBraces(text: string, from: number, to: number): string | null {
  const at = text.slice(from, to).search(/\{\{|\}\}/);
  if (at === -1) return null;
  if (text.startsWith('{{}}', from + at)) return problemAt(text, from + at, 'names nothing');
  const opens = text[from + at] === '{';
  return problemAt(text, from + at, opens ? 'is never closed' : 'was never opened');
}

function problemAt(text: string, index: number, what: string): string {
  const shown = text.slice(index, index + 30);
  return `has a placeholder at character ${index + 1} that ${what}: ${JSON.stringify(shown)}`;
}

function columnOf(written: string, numbered: Readonly<Record<string, string>>): string {
  const column = Object.hasOwn(numbered, written) ? numbered[written] : undefined;
  return column === undefined ? written : normalizeName(column);
}

/** Puts one person's values into the parts. A value is inserted as it is: braces in it are not looked at again. */
export function renderParts(parts: readonly TemplatePart[], lookup: Lookup): Rendered {
  let text = '';
  for (const part of parts) {
    if (part.kind === 'text') {
      text += part.text;
      continue;
    }
    const value = lookup(part.name);
    if (isBlank(value)) return { ok: false, missing: part.name };
    text += value;
  }
  return { ok: true, text };
}

/** The values for a vendor that fills the template itself, in the order of their numbers. */
export function templateParameters(
  numbered: Readonly<Record<string, string>>,
  lookup: Lookup,
): { ok: true; parameters: string[] } | { ok: false; missing: string } {
  const parameters: string[] = [];
  for (const number of Object.keys(numbered).sort((a, b) => Number(a) - Number(b))) {
    const name = columnOf(number, numbered);
    const value = lookup(name);
    if (isBlank(value)) return { ok: false, missing: name };
    parameters.push(value);
  }
  return { ok: true, parameters };
}

/** The names that the parts ask for, each once, in the order of their first use. */
export function templateVariables(parts: readonly TemplatePart[]): string[] {
  const names = parts.flatMap((part) => (part.kind === 'variable' ? [part.name] : []));
  return [...new Set(names)];
}

function isBlank(value: string | null | undefined): value is null | undefined | '' {
  return value === null || value === undefined || value.trim() === '';
}
