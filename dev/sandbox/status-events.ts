import { chance } from './chance';
import { rulingDigits } from './faults';
import type { SandboxSettings, WebhookSettings } from './settings';

export interface StatusEvent {
  eventId: string;
  id: string;
  reference: string;
  status: 'delivered' | 'read' | 'failed';
  errorCode: string | null;
  occurredAt: string;
}

/** One event and when it is sent. */
interface PlannedEvent {
  event: StatusEvent;
  dueMs: number;
}

/** Between two events whose order is to be kept. */
const STEP_MS = 10;

/** What will be told about one message, and when; it depends on the seed and the reference only. */
export function eventsOf(
  message: { id: string; reference: string; to: string },
  { seed, numberRules }: SandboxSettings,
  webhooks: WebhookSettings,
  nowMs: number,
): PlannedEvent[] {
  const draw = (purpose: string): number => chance(seed, purpose, message.reference, 0);
  const delayMs = (purpose: string): number =>
    webhooks.minDelayMs + draw(purpose) * (webhooks.maxDelayMs - webhooks.minDelayMs);
  const firstMs = nowMs + delayMs('delay');
  const readMs = firstMs + Math.max(1, delayMs('readDelay'));
  const made = (status: StatusEvent['status'], atMs: number, dueMs: number) => ({
    event: {
      eventId: `evt_${message.id}_${status}`,
      id: message.id,
      reference: message.reference,
      status,
      errorCode: status === 'failed' ? 'undeliverable' : null,
      occurredAt: new Date(atMs).toISOString(),
    },
    dueMs: dueMs + (draw(`late ${status}`) < webhooks.late ? webhooks.lateMs : 0),
  });
  const swapped = draw('order') < webhooks.outOfOrder;
  const events = [];
  const fate = fateOf(draw('fate'), webhooks, numberRules ? rulingDigits(message.to) : null);
  if (fate === 'failed') events.push(made('failed', firstMs, firstMs));
  if (fate === 'delivered' || fate === 'read') {
    events.push(
      made('delivered', firstMs, fate === 'read' && swapped ? readMs + STEP_MS : firstMs),
    );
  }
  if (fate === 'read') events.push(made('read', readMs, swapped ? firstMs : readMs + STEP_MS));
  const again = events.filter(({ event }) => draw(`again ${event.status}`) < webhooks.repeated);
  return [...events, ...again.map((one) => ({ ...one, dueMs: one.dueMs + 2 * STEP_MS }))];
}

/** Whether something is told about this message before it is answered. */
export const tellsFirst = (
  { reference }: { reference: string },
  { seed }: SandboxSettings,
  { beforeAnswer }: WebhookSettings,
): boolean => beforeAnswer > 0 && chance(seed, 'beforeAnswer', reference, 0) < beforeAnswer;

/** Nothing for a message about which nothing is told. */
export const earliest = (events: readonly PlannedEvent[]): PlannedEvent | undefined =>
  events.toSorted((a, b) => a.dueMs - b.dueMs)[0];

function fateOf(
  draw: number,
  webhooks: WebhookSettings,
  digits: string | null,
): 'failed' | 'delivered' | 'read' | 'silent' {
  if (digits === '13') return 'failed';
  if (digits === '14') return 'silent';
  if (digits === '15') return 'read';
  if (draw < webhooks.failed) return 'failed';
  if (draw < webhooks.failed + Math.min(webhooks.read, webhooks.delivered)) return 'read';
  return draw < webhooks.failed + webhooks.delivered ? 'delivered' : 'silent';
}
