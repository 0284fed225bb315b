import { messageReference } from '../../domain/communications';

/** The message that every contender sends; the text differs by the name only. */
export const BASE_MESSAGE = 'Olá {{nome}}, temos uma proposta para você.';

export const textFor = (nome: string): string => BASE_MESSAGE.replace('{{nome}}', nome);

/** The same invented person in every contender's books; `PERSON_SQL` makes it of the column `p`. */
export const personAt = (position: number): { address: string; nome: string } => ({
  address: `+55119${String(position).padStart(8, '0')}`,
  nome: `Pessoa ${position}`,
});

export const PERSON_SQL = {
  address: `'+55119' || lpad(p::text, 8, '0')`,
  nome: `'Pessoa ' || p`,
  cpfCnpj: `lpad(p::text, 11, '0')`,
} as const;

/** Shaped as Regente's, so that all contenders send the same bytes. */
export const referenceAt = (sourceId: string, position: number): string =>
  messageReference({ ledgerMonth: '2026-01-01', sourceId, position, step: 0, channel: 'sms' });
