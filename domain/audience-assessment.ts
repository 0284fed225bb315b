import type { BillingUnit } from './brokers';
import { createComposer, type MessageFields } from './campaign-messages';
import type { CampaignMessage } from './campaign-plans';
import type { Channel } from './channels';
import { parseTemplate, templateVariables } from './template-syntax';
import { smsSegments, type SmsSize } from './sms-segments';

/** What decides each person's text and what it costs. */
export interface MessageTerms {
  message: CampaignMessage;
  billingUnit: BillingUnit;
  channel: Channel;
}

/** What one person's message comes to. */
export interface Verdict {
  /** Paid for, in units of the price; 1 where there is no message. */
  units: number;
  /** The variable that this person lacks; null when the message can be written. */
  missing: string | null;
  /** Size of a text message; null for other channels, and where there is no message. */
  size: SmsSize | null;
}

export type Assessor = (person: MessageFields) => Verdict;

/** The reason of a person who lacks a variable, with its name; all of them are one reason to count. */
export const missingVariable = (name: string): string => `missing_variable:${name}`;

/** Prepares the terms once; the assessor then writes each person's message as the dispatch will, and weighs it. */
export function createAssessor({ message, billingUnit, channel }: MessageTerms): Assessor {
  const compose = createComposer(message);
  return (person) => {
    const composed = compose(person);
    if (!composed.ok) return { units: 1, missing: composed.missing, size: null };
    const size = channel === 'sms' ? smsSegments(composed.text) : null;
    return { units: billingUnit === 'segment' && size ? size.segments : 1, missing: null, size };
  };
}

/**
 * The verdict on everybody without a message of their own, where it is the same for all of them: the text has no
 * variables. Null where each person must be looked at.
 */
export function sameForAll(terms: MessageTerms): Verdict | null {
  const { baseMessage, template } = terms.message;
  const parts =
    template === null
      ? parseTemplate(baseMessage ?? '')
      : parseTemplate(template.content, template.variables);
  if (templateVariables(parts).length > 0) return null;
  const nobody = { address: '', nome: null, cpfCnpj: null, idcobContrato: null, variables: {} };
  return createAssessor(terms)({ ...nobody, customMessage: null });
}

/** An audience weighed with one message. `units` are those of the people who can be sent to. */
export interface Assessment {
  units: number;
  missingVariables: number;
  /** People per variable that they lack; of several, the first of the text counts. */
  missing: Record<string, number>;
  /** Text messages per number of segments, and per encoding; empty for other channels. */
  segments: Record<string, number>;
  encodings: Record<string, number>;
}

/** Adds verdicts up. */
export class AssessmentTally {
  readonly total: Assessment = {
    units: 0,
    missingVariables: 0,
    missing: {},
    segments: {},
    encodings: {},
  };

  /** @param people how many have this verdict */
  add({ units, missing, size }: Verdict, people = 1): void {
    if (people === 0) return;
    if (missing !== null) {
      this.total.missingVariables += people;
      count(this.total.missing, missing, people);
      return;
    }
    this.total.units += units * people;
    if (size === null) return;
    count(this.total.segments, String(size.segments), people);
    count(this.total.encodings, size.encoding, people);
  }
}

function count(counts: Record<string, number>, key: string, people: number): void {
  counts[key] = (Object.hasOwn(counts, key) ? (counts[key] ?? 0) : 0) + people;
}
