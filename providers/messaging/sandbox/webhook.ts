import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DeliveryEvent, WebhookRequest, WebhookVerdict } from '../port';

const WINDOW_MS = 5 * 60_000;

/** Checks HMAC-SHA256 over `timestamp.rawBody`, then the timestamp, then the shape of every event. */
export function verify(secret: string, { headers, rawBody, now }: WebhookRequest): WebhookVerdict {
  const timestamp = headers['x-sandbox-timestamp'] ?? '';
  const signature = /^v1=([0-9a-f]{64})$/.exec(headers['x-sandbox-signature'] ?? '')?.[1];
  const expected = createHmac('sha256', secret).update(`${timestamp}.${rawBody}`).digest();
  if (signature === undefined || !timingSafeEqual(expected, Buffer.from(signature, 'hex'))) {
    return { ok: false, reason: 'signature' };
  }
  if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: 'timestamp' };
  if (Math.abs(now.getTime() - Number(timestamp) * 1_000) > WINDOW_MS) {
    return { ok: false, reason: 'timestamp' };
  }
  const events = readEvents(rawBody);
  return events === null ? { ok: false, reason: 'payload' } : { ok: true, events };
}

/** Null when it is not what the vendor documents; events of a status that is not known here are left out. */
function readEvents(rawBody: string): DeliveryEvent[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(rawBody);
  } catch {
    return null;
  }
  const items: unknown = isRecord(parsed) ? parsed['events'] : null;
  if (!Array.isArray(items)) return null;
  const events: DeliveryEvent[] = [];
  for (const item of items as unknown[]) {
    const event = readEvent(item);
    if (event === null) return null;
    if (event !== 'unknownStatus') events.push(event);
  }
  return events;
}

function readEvent(item: unknown): DeliveryEvent | 'unknownStatus' | null {
  if (!isRecord(item)) return null;
  const { eventId, id, reference, status, errorCode, occurredAt } = item;
  if (typeof eventId !== 'string' || eventId === '' || typeof status !== 'string') return null;
  if (!isTextOrNothing(id) || !isTextOrNothing(reference) || !isTextOrNothing(errorCode))
    return null;
  const happened = new Date(typeof occurredAt === 'string' ? occurredAt : Number.NaN);
  if (Number.isNaN(happened.getTime())) return null;
  const known = STATUSES.find((one) => one === status);
  if (known === undefined) return 'unknownStatus';
  return {
    eventId,
    providerId: id ?? null,
    reference: reference ?? null,
    status: known,
    errorCode: errorCode ?? null,
    occurredAt: happened,
  };
}

const STATUSES = ['accepted', 'delivered', 'read', 'clicked', 'failed'] as const;

function isTextOrNothing(value: unknown): value is string | null | undefined {
  return value === null || value === undefined || typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
