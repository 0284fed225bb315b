import { createAssessor, type MessageTerms } from './audience-assessment';
import { createComposer, type MessageFields } from './campaign-messages';

/** A control contact: somebody of the company who receives every campaign, to see that it goes out. */
export interface Fish {
  name: string;
  phone: string;
}

/** What the message to a fish is made of, and what it costs in units of the price. */
export interface FishMessage extends MessageFields {
  units: number;
}

/** Where the campaign has no text but those that were written for single people. */
const NO_TEXT = 'Contato de controle: nesta campanha, cada pessoa recebe um texto só seu.';

/**
 * The campaign's message to a fish, with nobody's data in it: its own name and number where the text asks for them, and
 * the variable's name in brackets for everything else.
 */
export function fishMessage(terms: MessageTerms, { name, phone }: Fish): FishMessage {
  const { baseMessage, template } = terms.message;
  const hasText = template !== null || (baseMessage ?? '').trim() !== '';
  const variables: Record<string, string> = {};
  const fields: MessageFields = {
    address: phone,
    nome: name,
    cpfCnpj: null,
    idcobContrato: null,
    customMessage: hasText ? null : NO_TEXT,
    variables,
  };
  const compose = createComposer(terms.message);
  for (;;) {
    const composed = compose(fields);
    if (composed.ok || Object.hasOwn(variables, composed.missing)) break;
    variables[composed.missing] = `[${composed.missing}]`;
  }
  return { ...fields, units: createAssessor(terms)(fields).units };
}
