import { RegenteError } from '../../domain/errors';
import type { InboxEvent } from '../../prisma/delivery-events';

/** Far more than any vendor's, and what an index of the database takes in any script. */
const LONGEST_ID = 500;
const LONGEST_ERROR_CODE = 200;
const HALF_PAIR = /\p{Surrogate}/u;

/**
 * The event as it can be stored, a long error code cut. Throws VALIDATION, for the ids are compared with what the
 * database gives back, and a time must be one that it knows.
 */
export function storable(event: InboxEvent): InboxEvent {
  const { eventId, providerId, reference, errorCode, occurredAt } = event;
  for (const [name, id] of Object.entries({ eventId, providerId, reference })) {
    if (id === null) continue;
    if (id.length > LONGEST_ID)
      throw refusal(`${name} of an event is longer than ${LONGEST_ID} characters`);
    if (HALF_PAIR.test(id)) throw refusal(`${name} of an event has half of a surrogate pair`);
  }
  const year = occurredAt.getUTCFullYear();
  if (year < 1 || year > 9999) throw refusal('the time of an event is not of the years 1 to 9999');
  return { ...event, errorCode: errorCode === null ? null : cut(errorCode) };
}

/** Half of a pair, also one that the cut leaves, becomes U+FFFD. */
function cut(errorCode: string): string {
  return Buffer.from(errorCode.slice(0, LONGEST_ERROR_CODE)).toString();
}

const refusal = (what: string): RegenteError =>
  new RegenteError('VALIDATION', `The payload cannot be stored: ${what}.`);
