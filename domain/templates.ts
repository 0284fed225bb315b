import { normalizeName } from './column-names';
import { RegenteError, type FieldError } from './errors';
import {
  parseTemplate,
  placeholderProblem,
  renderParts,
  templateVariables,
} from './template-syntax';
import { smsSegments, type SmsSize } from './sms-segments';

export interface TemplateText {
  /** With `{{1}}`, `{{2}}` …; `{{nome}}` stands for the column of that name. */
  content: string;
  /** Which column fills which number: `{ "1": "nome" }`. */
  variables: Readonly<Record<string, string>>;
}

/**
 * Every number of the content has a column and every mapped number is in the content; numbers run from 1 without a
 * gap, because a vendor takes its parameters by their place. Every `{{` of the content encloses a name.
 * @throws VALIDATION with a pointer to each entry that is missing or too much
 */
export function checkTemplate({ content, variables }: TemplateText): void {
  const fields: FieldError[] = [];
  const broken = placeholderProblem(content);
  if (broken !== null) fields.push({ pointer: '/content', detail: broken });
  const numbers = templateVariables(parseTemplate(content)).filter((name) => /^\d+$/.test(name));
  const gap = numbers.map((_, index) => String(index + 1)).find((n) => !numbers.includes(n));
  if (gap !== undefined) {
    fields.push({
      pointer: '/content',
      detail: `has no {{${gap}}}: numbers run from 1 without a gap`,
    });
  }
  for (const number of numbers) {
    if (!Object.hasOwn(variables, number)) {
      fields.push({
        pointer: `/variables/${number}`,
        detail: 'is in the content, but has no column',
      });
    }
  }
  for (const [number, column] of Object.entries(variables)) {
    const pointer = `/variables/${number.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!numbers.includes(number)) {
      fields.push({ pointer, detail: `the content has no {{${number.slice(0, 40)}}}` });
    } else if (normalizeName(column) === '') {
      fields.push({ pointer, detail: 'is not the name of a column' });
    }
  }
  if (fields.length > 0) {
    throw new RegenteError('VALIDATION', 'Content and variables of the template do not agree.', {
      fields,
    });
  }
}

export interface TemplatePreview {
  /** What has no value stays as `{{name}}`. */
  text: string;
  /** Columns without a value; sending would skip this person. */
  missing: string[];
  /** Its size as a text message. */
  sms: SmsSize;
}

/** Renders the template with one person's values, which are given by column or by number. */
export function previewTemplate(
  { content, variables }: TemplateText,
  values: Readonly<Record<string, string>>,
): TemplatePreview {
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    const column = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value.trim() !== '') given.set(normalizeName(column ?? name), value);
  }
  const parts = parseTemplate(content, variables);
  const rendered = renderParts(parts, (name) => given.get(name) ?? `{{${name}}}`);
  const text = rendered.ok ? rendered.text : content;
  const missing = templateVariables(parts).filter((name) => !given.has(name));
  return { text, missing, sms: smsSegments(text) };
}
