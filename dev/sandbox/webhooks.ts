import { createHmac } from 'node:crypto';
import { Agent, request } from 'undici';
import type { SandboxSettings, WebhookSettings } from './settings';
import { earliest, eventsOf, tellsFirst } from './status-events';
import type { StatusEvent } from './status-events';

export interface WebhookTotals {
  /** Events that wait for their time, for a connection or for another attempt. */
  webhooksPending: number;
  /** Events that were answered with 2xx. */
  webhooksSent: number;
  webhookRetries: number;
  webhooksGivenUp: number;
}

const TICK_MS = 10;

/** The value of the signature header for a body sent at this time (epoch seconds). */
export function signWebhook(secret: string, timestamp: string, rawBody: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${rawBody}`).digest('hex')}`;
}

/** Sends status events as a vendor does: signed, at least once, in no promised order, retried for a while. */
export class WebhookSender {
  readonly #settings: () => SandboxSettings;
  readonly #agent = new Agent({ connections: 64, pipelining: 1 });
  /** By tick of their due time. */
  readonly #planned = new Map<number, StatusEvent[]>();
  readonly #waiters: (() => void)[] = [];
  readonly #totals: WebhookTotals = {
    webhooksPending: 0,
    webhooksSent: 0,
    webhookRetries: 0,
    webhooksGivenUp: 0,
  };
  #outbox: StatusEvent[] = [];
  #outboxHead = 0;
  #sending = 0;
  #closed = false;
  #ticker: NodeJS.Timeout | null = null;
  #lastTick = 0;

  constructor(settings: () => SandboxSettings) {
    this.#settings = settings;
  }

  /** Plans the events of one accepted message; answers what its own answer has to wait for, if there is something. */
  plan(
    message: { id: string; reference: string; to: string },
    nowMs: number,
  ): Promise<void> | undefined {
    const settings = this.#settings();
    const { webhooks } = settings;
    if (webhooks === null) return undefined;
    const events = eventsOf(message, settings, webhooks, nowMs);
    const first = tellsFirst(message, settings, webhooks) ? earliest(events) : undefined;
    for (const each of events) if (each !== first) this.#schedule(each.event, each.dueMs);
    return first === undefined ? undefined : this.#tellFirst(webhooks, first.event);
  }

  #tellFirst(webhooks: WebhookSettings, event: StatusEvent): Promise<void> {
    this.#totals.webhooksPending += 1;
    return new Promise((resolve) => {
      void this.#deliver(webhooks, [event], resolve);
    });
  }

  /** Resolves when no event is left; `now` sends what is planned for later at once. */
  flush(now: boolean): Promise<void> {
    if (now) {
      for (const due of [...this.#planned.keys()].sort((a, b) => a - b)) this.#release(due);
      this.#stopTicking();
      this.#pump();
    }
    if (this.#totals.webhooksPending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  totals(): WebhookTotals {
    return { ...this.#totals };
  }

  /** Forgets what was not sent. */
  close(): Promise<void> {
    this.#closed = true;
    this.#stopTicking();
    for (const done of this.#waiters.splice(0)) done();
    return this.#agent.destroy();
  }

  #schedule(event: StatusEvent, dueMs: number): void {
    this.#totals.webhooksPending += 1;
    if (this.#ticker === null) {
      this.#lastTick = Math.floor(Date.now() / TICK_MS) - 1;
      this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    }
    const due = Math.max(Math.ceil(dueMs / TICK_MS), this.#lastTick + 1);
    const events = this.#planned.get(due);
    if (events === undefined) this.#planned.set(due, [event]);
    else events.push(event);
  }

  #tick(): void {
    const until = Math.floor(Date.now() / TICK_MS);
    while (this.#lastTick < until && this.#planned.size > 0) {
      this.#lastTick += 1;
      this.#release(this.#lastTick);
    }
    if (this.#planned.size === 0) this.#stopTicking();
    this.#pump();
  }

  #release(due: number): void {
    for (const event of this.#planned.get(due) ?? []) this.#outbox.push(event);
    this.#planned.delete(due);
  }

  #stopTicking(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#ticker = null;
  }

  #pump(): void {
    const { webhooks } = this.#settings();
    if (webhooks === null || this.#closed) return;
    while (this.#sending < webhooks.concurrency) {
      const events = this.#outbox.slice(this.#outboxHead, this.#outboxHead + webhooks.batchSize);
      if (events.length === 0) break;
      this.#outboxHead += events.length;
      void this.#deliverInTurn(webhooks, events);
    }
    if (this.#outboxHead === this.#outbox.length && this.#outboxHead > 0) {
      this.#outbox = [];
      this.#outboxHead = 0;
    }
  }

  async #deliverInTurn(webhooks: WebhookSettings, events: StatusEvent[]): Promise<void> {
    this.#sending += 1;
    await this.#deliver(webhooks, events);
    this.#sending -= 1;
    this.#pump();
  }

  async #deliver(
    webhooks: WebhookSettings,
    events: StatusEvent[],
    onFirstTry?: () => void,
  ): Promise<void> {
    const rawBody = JSON.stringify({ events });
    let sent = await post(this.#agent, webhooks, rawBody);
    onFirstTry?.();
    for (let attempt = 1; !sent && attempt < webhooks.maxAttempts; attempt += 1) {
      await pause(webhooks.backoffMs * 2 ** (attempt - 1));
      if (this.#closed) return;
      this.#totals.webhookRetries += 1;
      sent = await post(this.#agent, webhooks, rawBody);
    }
    this.#totals[sent ? 'webhooksSent' : 'webhooksGivenUp'] += events.length;
    this.#totals.webhooksPending -= events.length;
    if (this.#totals.webhooksPending === 0) for (const done of this.#waiters.splice(0)) done();
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs).unref();
  });
}

async function post(agent: Agent, webhooks: WebhookSettings, rawBody: string): Promise<boolean> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  try {
    const { statusCode, body } = await request(webhooks.url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-sandbox-timestamp': timestamp,
        'x-sandbox-signature': signWebhook(webhooks.secret, timestamp, rawBody),
      },
      body: rawBody,
      headersTimeout: webhooks.timeoutMs,
      bodyTimeout: webhooks.timeoutMs,
    });
    await body.dump();
    return statusCode >= 200 && statusCode < 300;
  } catch {
    return false;
  }
}
