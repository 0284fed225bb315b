import { recipientLookup } from './audience-rows';
import type { CampaignMessage } from './campaign-plans';
import {
  parseTemplate,
  renderParts,
  templateParameters,
  type Lookup,
  type TemplatePart,
} from './template-syntax';

/** What a message is made of, of one person. */
export interface MessageFields {
  address: string;
  nome: string | null;
  cpfCnpj: string | null;
  idcobContrato: string | null;
  customMessage: string | null;
  variables: Readonly<Record<string, string>>;
}

export type ComposedMessage =
  | { ok: true; text: string; template?: { code: string; parameters: string[] } }
  | { ok: false; missing: string };

export type Composer = (person: MessageFields) => ComposedMessage;

/**
 * Prepares a campaign's message once; the composer then makes each person's text: the custom message of the row,
 * else the template, else the base message. A variable that the person lacks is an answer, not a hole in the text.
 */
export function createComposer({ baseMessage, template }: CampaignMessage): Composer {
  const base = baseMessage === null ? null : parseTemplate(baseMessage);
  const content = template === null ? null : parseTemplate(template.content, template.variables);
  return (person) => {
    const lookup = lookupOf(person);
    if (person.customMessage !== null && person.customMessage.trim() !== '') {
      return render(parseTemplate(person.customMessage), lookup);
    }
    if (template !== null && content !== null) {
      const rendered = render(content, lookup);
      const filled = templateParameters(template.variables, lookup);
      if (!rendered.ok || !filled.ok) return rendered.ok ? { ok: false, missing: '' } : rendered;
      return { ...rendered, template: { code: template.code, parameters: filled.parameters } };
    }
    return base === null ? { ok: false, missing: 'mensagem' } : render(base, lookup);
  };
}

function render(parts: readonly TemplatePart[], lookup: Lookup): ComposedMessage {
  const rendered = renderParts(parts, lookup);
  if (!rendered.ok) return { ok: false, missing: rendered.missing };
  return rendered.text.trim() === ''
    ? { ok: false, missing: 'mensagem' }
    : { ok: true, text: rendered.text };
}

/** The person's own values by name; of the two kinds of address, the one that the campaign uses. */
function lookupOf(person: MessageFields): Lookup {
  const { address, nome, cpfCnpj, idcobContrato, customMessage, variables } = person;
  const [phone, email] = address.startsWith('+') ? [address, null] : [null, address];
  const lookup = recipientLookup({
    phone,
    email,
    nome,
    cpfCnpj,
    idcobContrato,
    customMessage,
    variables,
  });
  return (name) => lookup(name) ?? (name === 'first_name' ? lookup('primeiro_nome') : undefined);
}
