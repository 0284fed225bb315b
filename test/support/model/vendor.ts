import { messageReference } from '../../../domain/communications';
import type { InboxEvent } from '../../../prisma/delivery-events';
import type { ExecutionRef } from '../../../prisma/dispatch/batches';
import type { Settlement } from '../../../prisma/dispatch/messages';
import type { Random } from '../random';

type Answer = 'accepted' | 'rejected' | 'later' | 'silentYes' | 'silentNo';

const STATUSES = ['accepted', 'delivered', 'read', 'clicked', 'failed'] as const;

/** A vendor of the model: it has a truth of its own, and tells it now and then. */
export class ModelVendor {
  /** How often the message of a reference was really taken. */
  readonly taken = new Map<string, number>();
  /** From here on it takes everything and says so. */
  reliable = false;
  #events = 0;

  constructor(
    readonly random: Random,
    /** A repeated key answers the first result. Without keys nothing can be asked, and silence is `unknown`. */
    readonly keyed: boolean,
  ) {}

  /** What the caller writes down about a message that it has just called for; nothing where silence proves nothing. */
  call(ref: ExecutionRef, position: number, isRepeat: boolean): Settlement[] {
    const reference = referenceOf(ref, position);
    const before = this.taken.get(reference) ?? 0;
    const remembered = this.keyed && before > 0;
    const answer = this.#answer(remembered);
    if ((answer === 'accepted' || answer === 'silentYes') && !remembered)
      this.taken.set(reference, before + 1);
    switch (answer) {
      case 'accepted':
        return [{ position, outcome: 'sent', providerId: `id-${reference}` }];
      case 'rejected':
        return [{ position, outcome: 'failed', code: 'invalid_number', permanent: true }];
      case 'later': {
        // Says nothing about the call that it repeats.
        const delayMs = this.random.below(30);
        return isRepeat ? [] : [{ position, outcome: 'queued', code: 'rate_limited', delayMs }];
      }
      case 'silentYes':
      case 'silentNo':
        return this.keyed ? [] : [{ position, outcome: 'unknown', code: 'TIMEOUT' }];
    }
  }

  hasTaken(ref: ExecutionRef, position: number): boolean {
    return this.taken.has(referenceOf(ref, position));
  }

  #answer(remembered: boolean): Answer {
    if (this.reliable) return 'accepted';
    const answers: Answer[] = [
      'accepted',
      'accepted',
      'accepted',
      'silentYes',
      'silentNo',
      'later',
    ];
    // A key that was taken is never refused.
    return this.random.pick<Answer>(remembered ? answers : [...answers, 'rejected']);
  }

  /** Something about messages that it has taken: in any order, more than once, by our reference or by its own id. */
  events(): InboxEvent[] {
    const known = [...this.taken.keys()];
    if (known.length === 0) return [];
    return Array.from({ length: 1 + this.random.below(3) }, () => {
      const reference = this.random.pick(known);
      const isNamed = this.random.chance(0.5);
      this.#events += 1;
      return {
        eventId: this.random.chance(0.1) ? 'again' : `event-${this.#events}`,
        providerId: isNamed ? null : `id-${reference}`,
        reference: isNamed || this.random.chance(0.5) ? reference : null,
        status: this.random.pick(STATUSES),
        errorCode: null,
        occurredAt: new Date(),
      };
    });
  }
}

function referenceOf({ executionId: sourceId }: ExecutionRef, position: number): string {
  const ledgerMonth = `${new Date().toISOString().slice(0, 7)}-01`;
  return messageReference({ ledgerMonth, sourceId, position, step: 0, channel: 'sms' });
}
