import { createLimiter } from './limiter';
import type { Limiter } from './limiter';
import { createStore } from './store';
import type { Store } from './store';
import type { SandboxSettings } from './settings';
import { WebhookSender } from './webhooks';
import type { WebhookTotals } from './webhooks';

/** Counters of what arrived and what became of it; messages are counted, not requests, but for the first three. */
export interface Tally {
  requests: number;
  bulkRequests: number;
  lookups: number;
  /** Messages that were asked for, whatever became of them. */
  messages: number;
  /** Answered from the idempotency key, with no second message. */
  replayed: number;
  /** A key used again for another content. */
  keyConflicts: number;
  rejected: number;
  invalid: number;
  unauthorized: number;
  rateLimited: number;
  unavailable: number;
  errors: number;
  droppedBefore: number;
  droppedAfter: number;
  cut: number;
  stalled: number;
  late: number;
  /** Messages that arrived after the fence. */
  lateStarts: number;
}

export interface SandboxTotals extends Tally, WebhookTotals {
  accepted: number;
  /** By our reference. */
  unique: number;
  /** Second and further real messages for a reference. */
  duplicated: number;
  dropped: number;
  firstAcceptedAt: number | null;
  lastAcceptedAt: number | null;
  /** Wall clock (epoch ms) of the newest message that was asked for. */
  lastCallAt: number | null;
}

/** One message that was asked for. */
export interface JournalEntry {
  reference: string;
  /** Wall clock (epoch ms) at which the request was read. */
  receivedAt: number;
  /** What the vendor decided; null where a fault came before any decision. */
  status: number | null;
  fault: string;
}

/** One of the newest messages, with its content. */
export interface ShownMessage {
  reference: string;
  id: string;
  channel: string;
  to: string;
  subject: string | null;
  body: string;
  template: unknown;
  receivedAt: number;
}

const SHOWN_LIMIT = 1_000;

/** Everything that one sandbox remembers; a reset makes a new one. */
export class World {
  settings: SandboxSettings;
  readonly store: Store;
  readonly limiter: Limiter = createLimiter();
  readonly webhooks: WebhookSender;
  readonly tally: Tally = {
    requests: 0,
    bulkRequests: 0,
    lookups: 0,
    messages: 0,
    replayed: 0,
    keyConflicts: 0,
    rejected: 0,
    invalid: 0,
    unauthorized: 0,
    rateLimited: 0,
    unavailable: 0,
    errors: 0,
    droppedBefore: 0,
    droppedAfter: 0,
    cut: 0,
    stalled: 0,
    late: 0,
    lateStarts: 0,
  };
  readonly journal: JournalEntry[] = [];
  lastCallAt: number | null = null;
  readonly #calls = new Map<string, number>();
  /** E-mails apart, so that a campaign does not push an invitation out. */
  readonly #shown = { email: [] as ShownMessage[], phone: [] as ShownMessage[] };

  constructor(settings: SandboxSettings, idPrefix: string) {
    this.settings = settings;
    this.store = createStore(idPrefix);
    this.webhooks = new WebhookSender(() => this.settings);
  }

  /** How often this reference was asked for before. */
  countCall(reference: string): number {
    const nth = this.#calls.get(reference) ?? 0;
    this.#calls.set(reference, nth + 1);
    return nth;
  }

  noteCall(reference: string, receivedAt: number): void {
    this.tally.messages += 1;
    this.lastCallAt = receivedAt;
    const { fence } = this.settings;
    if (fence !== null && receivedAt > fence.at && reference.startsWith(fence.prefix)) {
      this.tally.lateStarts += 1;
    }
  }

  show(message: ShownMessage): void {
    const kept = message.channel === 'email' ? this.#shown.email : this.#shown.phone;
    kept.push(message);
    if (kept.length >= 2 * SHOWN_LIMIT) kept.splice(0, SHOWN_LIMIT);
  }

  shown(): ShownMessage[] {
    return [...this.#shown.phone, ...this.#shown.email];
  }

  totals(): SandboxTotals {
    return {
      ...this.tally,
      ...this.store.counts,
      ...this.webhooks.totals(),
      dropped: this.tally.droppedBefore + this.tally.droppedAfter,
      firstAcceptedAt: this.store.firstAcceptedAt,
      lastAcceptedAt: this.store.lastAcceptedAt,
      lastCallAt: this.lastCallAt,
    };
  }
}
