import { randomUUID } from 'node:crypto';
import { signWebhook } from '../sandbox/webhooks';
import type { DemoAccount } from '../demo/company';

/** One event as the stand-in vendor tells it. */
export interface Callback {
  eventId: string;
  id: string;
  reference: string;
  status: 'accepted' | 'delivered' | 'read' | 'clicked' | 'failed';
  occurredAt: string;
}

export const callback = (
  { id, reference }: { id: string; reference: string },
  status: Callback['status'],
  occurredAtMs = Date.now(),
): Callback => ({
  eventId: randomUUID(),
  id,
  reference,
  status,
  occurredAt: new Date(occurredAtMs).toISOString(),
});

export interface Delivery {
  /** What it is signed with, if it is not the account's. */
  secret?: string;
  signedAtMs?: number;
  /** What arrives, if it is not what was signed. */
  arrives?: string;
  to?: string;
}

export interface Answer {
  status: number;
  stored: number;
}

/** Hands events over as the vendor does, or as somebody who would like to be it. */
export async function deliver(
  { webhookUrl, webhookSecret }: DemoAccount,
  events: readonly Callback[],
  { secret = webhookSecret, signedAtMs = Date.now(), arrives, to = webhookUrl }: Delivery = {},
): Promise<Answer> {
  const body = JSON.stringify({ events });
  const timestamp = String(Math.floor(signedAtMs / 1_000));
  const response = await fetch(to, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-sandbox-timestamp': timestamp,
      'x-sandbox-signature': signWebhook(secret, timestamp, body),
    },
    body: arrives ?? body,
  });
  const answer = (await response.json()) as { stored?: number };
  return { status: response.status, stored: answer.stored ?? 0 };
}
