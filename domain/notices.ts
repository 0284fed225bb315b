import type { UserStatus } from './users';

/** What account mail is about: the purposes of a verification token. */
export type NoticePurpose = 'invitation' | 'password_reset';

const PATHS: Readonly<Record<NoticePurpose, string>> = {
  invitation: 'convite',
  password_reset: 'nova-senha',
};

export interface NoticeContent {
  purpose: NoticePurpose;
  publicUrl: string;
  fromName: string;
  token: string;
  expiresAt: Date;
  /** The company's, for the time that the text names. */
  timeZone: string;
  personName: string;
  companyName: string;
}

/** Where a person uses a token. */
export function noticeLink(publicUrl: string, purpose: NoticePurpose, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}/conta/${PATHS[purpose]}?token=${token}`;
}

/** The subject of an account e-mail: one line, whatever the company calls itself. */
export function noticeSubject({
  purpose,
  companyName,
}: Pick<NoticeContent, 'purpose' | 'companyName'>): string {
  const company = companyName.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return purpose === 'invitation'
    ? `Convite para a conta ${company}`
    : `Nova senha na conta ${company}`;
}

/** The text of an account e-mail. */
export function noticeText(content: NoticeContent): string {
  const { purpose, publicUrl, fromName, token, timeZone, companyName } = content;
  const link = noticeLink(publicUrl, purpose, token);
  const until = new Intl.DateTimeFormat('pt-BR', {
    dateStyle: 'short',
    timeStyle: 'short',
    timeZone,
  }).format(content.expiresAt);
  const lines = {
    invitation: [
      `Você foi convidado para trabalhar na conta ${companyName}.`,
      'Para aceitar e escolher a sua senha, abra este endereço:',
    ],
    password_reset: [
      `Recebemos um pedido para trocar a sua senha na conta ${companyName}.`,
      'Para escolher uma nova senha, abra este endereço:',
    ],
  }[purpose];
  const ignore =
    purpose === 'invitation'
      ? 'Se você não esperava este convite, ignore esta mensagem.'
      : 'Se não foi você, ignore esta mensagem: a sua senha continua a mesma.';
  return [
    `Olá, ${content.personName},`,
    '',
    ...lines,
    link,
    '',
    `O endereço vale uma única vez, até ${until}.`,
    ignore,
    '',
    fromName,
  ].join('\n');
}

export interface NoticeState {
  purpose: NoticePurpose;
  userStatus: UserStatus;
  usedAt: Date | null;
  expiresAt: Date;
  /** The encrypted token; null once it has been sent or replaced. */
  pendingDelivery: string | null;
}

/** Why an account e-mail is not sent; opt-outs do not apply to it. Null when it may go. */
export function noticeRefusal(
  { purpose, userStatus, usedAt, expiresAt, pendingDelivery }: NoticeState,
  now: Date,
): 'inactive' | 'not_needed' | 'deadline' | null {
  if (userStatus === 'INACTIVE') return 'inactive';
  if (pendingDelivery === null || usedAt !== null) return 'not_needed';
  if ((userStatus === 'INVITED') !== (purpose === 'invitation')) return 'not_needed';
  return expiresAt <= now ? 'deadline' : null;
}
