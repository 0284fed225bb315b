import { RegenteError } from '../../domain/errors';
import type { InboxEvent } from '../../prisma/delivery-events';
import { placesIn, pointerTo } from '../json-places';

/** Far more than any vendor's, and what an index of the database takes in any script. */
const LONGEST_ID = 500;
const LONGEST_ERROR_CODE = 200;
const HALF_PAIR = /\p{Surrogate}/u;

/** What is wrong with a field of an event, and how to tell its value in what the vendor has sent. */
interface Fault {
  name: string;
  detail: string;
  isIt: (value: unknown) => boolean;
}

/**
 * The event as it can be stored, a long error code cut. Throws VALIDATION, for the ids are compared with what the
 * database gives back, and a time must be one that it knows.
 * @param rawBody what it was read from: the refusal points at the place in it, whatever the vendor calls the field
 */
export function storable(event: InboxEvent, rawBody: string): InboxEvent {
  const fault = faultOf(event);
  if (fault !== undefined) throw refusal(fault, rawBody);
  return { ...event, errorCode: event.errorCode === null ? null : cut(event.errorCode) };
}

function faultOf(event: InboxEvent): Fault | undefined {
  const { eventId, providerId, reference, errorCode, occurredAt } = event;
  for (const [name, id] of Object.entries({ eventId, providerId, reference })) {
    const detail = id === null ? undefined : wrongWithId(id);
    if (detail !== undefined) return { name, detail, isIt: (value) => value === id };
  }
  if (errorCode !== null && cut(errorCode).includes('\0'))
    return { name: 'errorCode', detail: NUL, isIt: (value) => value === errorCode };
  const year = occurredAt.getUTCFullYear();
  if (year >= 1 && year <= 9999) return undefined;
  return {
    name: 'occurredAt',
    detail: 'is not of the years 1 to 9999',
    isIt: (value) => typeof value === 'string' && Date.parse(value) === occurredAt.getTime(),
  };
}

const NUL = 'contains U+0000, which cannot be stored';

function wrongWithId(id: string): string | undefined {
  if (id.length > LONGEST_ID) return `is longer than ${LONGEST_ID} characters`;
  if (HALF_PAIR.test(id)) return 'contains half of a surrogate pair, which is no character';
  return id.includes('\0') ? NUL : undefined;
}

/** Half of a pair, also one that the cut leaves, becomes U+FFFD. */
function cut(errorCode: string): string {
  return Buffer.from(errorCode.slice(0, LONGEST_ERROR_CODE)).toString();
}

function refusal({ name, detail, isIt }: Fault, rawBody: string): RegenteError {
  const pointer = pointerIn(rawBody, isIt);
  const what = pointer === '' ? `${name} of an event` : pointer;
  return new RegenteError('VALIDATION', `The payload cannot be stored: ${what} ${detail}.`, {
    fields: [{ pointer, detail }],
  });
}

/** '' is the body as a whole: of a vendor that sends no JSON, or writes the value in its own way. */
function pointerIn(rawBody: string, isIt: Fault['isIt']): string {
  let body: unknown;
  try {
    body = JSON.parse(rawBody);
  } catch {
    return '';
  }
  for (const place of placesIn(body)) if (isIt(place.value)) return pointerTo(place);
  return '';
}
