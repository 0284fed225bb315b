import { fingerprint } from './chance';
import type { Fault } from './faults';
import type { World } from './world';

/** One message that a customer of the vendor asks for. */
export interface Message {
  reference: string;
  channel: string;
  to: string;
  subject: string | null;
  body: string;
  template: unknown;
  /** Idempotency key; empty when none was given. */
  key: string;
}

/** The reply to one message, before anything happens to it on its way. */
export interface Answer {
  status: number;
  body: string;
  /** Extra lines, each ending in CRLF. */
  headers: string;
  /** Set on 429 and 503, as the header has it. */
  retryAfter?: string;
  /** Nothing is answered before this; it never rejects. */
  after?: Promise<void> | undefined;
}

const CHANNELS = new Set(['sms', 'whatsapp', 'rcs', 'email']);

/** Decides and, where the message is taken, takes it: from here on nothing undoes it. */
export function decide(
  world: World,
  token: string,
  message: Message,
  fault: Fault,
  receivedAt: number,
): Answer {
  return (
    limited(world, token) ??
    refused(world, message, fault, receivedAt) ??
    taken(world, message, receivedAt)
  );
}

function limited(world: World, token: string): Answer | null {
  const { rateLimit } = world.settings;
  if (rateLimit === null) return null;
  const waitMs = world.limiter.take(token, rateLimit);
  return waitMs === 0 ? null : tooMany(world, waitMs);
}

function tooMany(world: World, waitMs: number): Answer {
  world.tally.rateLimited += 1;
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  const value =
    world.settings.retryAfter === 'seconds'
      ? String(seconds)
      : new Date(Math.ceil(Date.now() / 1_000 + seconds) * 1_000).toUTCString();
  return {
    status: 429,
    body: failureBody('rate_limited', false),
    headers: `retry-after: ${value}\r\n`,
    retryAfter: value,
  };
}

/** What the vendor refuses without taking the message; a message taken before is not refused again. */
function refused(world: World, message: Message, fault: Fault, receivedAt: number): Answer | null {
  if (fault.kind === 'rateLimited') return tooMany(world, 1_000);
  if (fault.kind !== 'reject' || remembered(world, message, receivedAt) !== null) return null;
  world.tally.rejected += 1;
  return { status: fault.status, body: failureBody(fault.code, fault.permanent), headers: '' };
}

function taken(world: World, message: Message, receivedAt: number): Answer {
  const print = fingerprint(message.to) ^ fingerprint(message.body);
  const before = remembered(world, message, receivedAt);
  if (before !== null) {
    if (before.print !== print) {
      world.tally.keyConflicts += 1;
      return { status: 422, body: failureBody('key_reused', true), headers: '' };
    }
    world.tally.replayed += 1;
    return world.settings.idempotency === 'same'
      ? { status: 200, body: acceptedBody(before.id), headers: 'idempotency-replayed: true\r\n' }
      : { status: 409, body: `{"code":"duplicate_key","id":"${before.id}"}`, headers: '' };
  }
  const { reference, key, channel, to, subject, body, template } = message;
  const id = world.store.accept(reference, key, print, receivedAt);
  world.show({ reference, id, channel, to, subject, body, template, receivedAt });
  const after = world.webhooks.plan({ id, reference, to }, receivedAt);
  return { status: 201, body: acceptedBody(id), headers: '', after };
}

function remembered(
  world: World,
  { key }: Message,
  receivedAt: number,
): { id: string; print: number } | null {
  const { idempotency, idempotencyTtlMs } = world.settings;
  if (idempotency === 'off' || key === '') return null;
  return world.store.byKey(key, receivedAt - idempotencyTtlMs);
}

/** Null when it is no message that the vendor understands. */
export function readMessage(world: World, value: unknown, key: string): Message | null {
  if (!isRecord(value)) return null;
  const { reference, channel, to, subject, body, template } = value;
  if (typeof to !== 'string' || to === '' || typeof channel !== 'string') return null;
  if (!CHANNELS.has(channel) || (typeof body !== 'string' && !isRecord(template))) return null;
  const known = typeof reference === 'string' && reference !== '' ? reference : key;
  return {
    reference: known === '' ? `unnamed-${world.tally.messages}` : known,
    channel,
    to,
    subject: typeof subject === 'string' ? subject : null,
    body: typeof body === 'string' ? body : '',
    template: template ?? null,
    key,
  };
}

const acceptedBody = (id: string): string => `{"id":"${id}"}`;

/** The body of every refusal. */
export function failureBody(code: string, permanent: boolean): string {
  return `{"code":"${code}","message":"The sandbox refused: ${code}.","permanent":${permanent}}`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
