import { CHANNELS, type Channel } from './channels';

/** States of a message in the ledger. `undelivered` was accepted by the provider and reported as failed later. */
export const MESSAGE_STATES = [
  'queued',
  'sending',
  'sent',
  'delivered',
  'read',
  'clicked',
  'undelivered',
  'failed',
  'skipped',
  'unknown',
  'cancelled',
] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

/** Where a person of an audience is: in the state of their message, or `waiting` for it, as no row of theirs is there yet. */
export const RECIPIENT_STATES = [...MESSAGE_STATES, 'waiting'] as const;
export type RecipientState = (typeof RECIPIENT_STATES)[number];

/** The words that older systems have for these states, in small letters. */
const OLDER_WORDS: ReadonlyMap<string, RecipientState> = new Map([
  ['pending', 'waiting'],
  ['pendente', 'waiting'],
  ['enviado', 'sent'],
  ['opened', 'read'],
  ['error', 'failed'],
  ['erro', 'failed'],
]);

/** The state that a word means, ours or an older system's, in any case; nothing for any other word. */
export function recipientStateOf(word: string): RecipientState | undefined {
  const small = word.toLowerCase();
  return RECIPIENT_STATES.find((state) => state === small) ?? OLDER_WORDS.get(small);
}

/** How many ledger rows are in which state; `recipients - sum` have not been reached yet. */
export type StateCounts = Readonly<Record<MessageState, number>>;

/** Counts every state by itself. */
export function countStates(count: (state: MessageState) => number): StateCounts {
  const counts = Object.fromEntries(MESSAGE_STATES.map((state) => [state, count(state)]));
  return counts as StateCounts;
}

/** The figures that the API, the report, the demo and the metrics show alike. */
export interface PeopleCounts {
  recipients: number;
  /** Accepted by the provider, whatever came after. */
  sent: number;
  delivered: number;
  read: number;
  clicked: number;
  /** Part of `sent`: the provider reported afterwards that it did not arrive. */
  undelivered: number;
  failed: number;
  skipped: number;
  unknown: number;
  cancelled: number;
  /** Not final yet: `waiting` has not been reached, `queued` is deferred, `sending` is with the provider. */
  waiting: number;
  queued: number;
  sending: number;
}

/** `delivered` and `read` count everybody who got at least that far. */
export function countPeople(recipients: number, rows: StateCounts): PeopleCounts {
  const read = rows.read + rows.clicked;
  const delivered = rows.delivered + read;
  const sent = rows.sent + delivered + rows.undelivered;
  const { undelivered, failed, skipped, unknown, cancelled, queued, sending, clicked } = rows;
  const waiting = recipients - sent - failed - skipped - unknown - cancelled - queued - sending;
  return {
    recipients,
    sent,
    delivered,
    read,
    clicked,
    undelivered,
    failed,
    skipped,
    unknown,
    cancelled,
    waiting,
    queued,
    sending,
  };
}

/** Whether everybody has a final state and the sum is right: what FINISHED promises. */
export function addsUp(counts: PeopleCounts): boolean {
  const { recipients, sent, failed, skipped, unknown, cancelled } = counts;
  return (
    recipients === sent + failed + skipped + unknown + cancelled &&
    counts.queued === 0 &&
    counts.sending === 0
  );
}

/** A message's place in the ledger. */
export interface MessageKey {
  /** First day of the month, `YYYY-MM-01`. */
  ledgerMonth: string;
  sourceId: string;
  position: number;
  step: number;
  channel: Channel;
}

/** Our reference of a message: what vendors get as idempotency key and give back in callbacks. */
export function messageReference({
  ledgerMonth,
  sourceId,
  position,
  step,
  channel,
}: MessageKey): string {
  return `${ledgerMonth.slice(0, 4)}${ledgerMonth.slice(5, 7)}.${sourceId}.${position}.${step}.${channel}`;
}

const REFERENCE =
  /^(\d{4})(0[1-9]|1[0-2])\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})\.(\d{1,9})\.([a-z]{2,10})$/;

/** Reads a reference back; nothing for a text that is not ours. */
export function parseReference(reference: string): MessageKey | undefined {
  const parts = REFERENCE.exec(reference);
  const channel = CHANNELS.find((each) => each === parts?.[6]);
  if (parts === null || channel === undefined) return undefined;
  const [, year = '', month = '', sourceId = '', position = '', step = ''] = parts;
  return {
    ledgerMonth: `${year}-${month}-01`,
    sourceId,
    position: Number(position),
    step: Number(step),
    channel,
  };
}
