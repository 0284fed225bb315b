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

/** The events that can be stored, and why the first of the others cannot. */
export interface Storable {
  events: InboxEvent[];
  refusal?: RegenteError;
}

/**
 * The events as they can be stored: a long error code is cut, and what is said to happen later than now happens now. The
 * ids are compared with what the database gives back, and a time must be one that it knows; the VALIDATION error of an
 * event for which that does not hold is the refusal.
 * @param rawBody what they were read from: the refusal points at the place in it, whatever the vendor calls the field
 */
export function storable(events: readonly InboxEvent[], rawBody: string): Storable {
  const now = new Date();
  const found: Storable = { events: [] };
  for (const event of events) {
    const fault = faultOf(event);
    if (fault === undefined) found.events.push(asStored(event, now));
    else found.refusal ??= refusalOf(fault, rawBody);
  }
  return found;
}

function asStored(event: InboxEvent, now: Date): InboxEvent {
  const { errorCode, occurredAt } = event;
  return {
    ...event,
    errorCode: errorCode === null ? null : cut(errorCode),
    occurredAt: occurredAt > now ? now : occurredAt,
  };
}

function faultOf(event: InboxEvent): Fault | undefined {
  const { eventId, providerId, reference, errorCode, occurredAt } = event;
  for (const [name, id] of Object.entries({ eventId, providerId, reference })) {
    const detail = id === null ? undefined : wrongWithId(id);
    if (detail !== undefined) return { name, detail, isIt: (value) => value === id };
  }
  if (errorCode !== null && cut(errorCode).includes('\0'))
    return { name: 'errorCode', detail: NUL, isIt: (value) => value === errorCode };
  if (occurredAt.getUTCFullYear() >= 1) return undefined;
  return {
    name: 'occurredAt',
    detail: 'is before the year 1',
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

function refusalOf({ name, detail, isIt }: Fault, rawBody: string): RegenteError {
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
