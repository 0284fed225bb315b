import type { Channel } from '../../domain/channels';

/** One message, ready to be handed to a vendor. Everything in it was decided before the mark. */
export interface OutboundMessage {
  /** Our id of this message, at most 64 characters of [A-Za-z0-9._-]; the idempotency key and the reference that callbacks carry. */
  reference: string;
  channel: Channel;
  /** E.164 phone, or an e-mail address. */
  to: string;
  /** The rendered text. */
  body: string;
  /** One line without control characters, for channels that show one (e-mail); the others leave it out. */
  subject?: string;
  /** Set when the vendor wants a template code and its parameters instead of the text. */
  template?: { code: string; parameters: string[] };
  nome?: string;
  cpfCnpj?: string;
  idcobContrato?: string;
}

/**
 * What became of one message.
 * - `accepted`: the vendor took it and gave it an id.
 * - `rejected`: the vendor refused it for certain; `permanent` when the same message can never succeed.
 * - `retryLater`: refused for certain, for now (429 and its like); `afterMs` as the vendor said, else a guess.
 * - `accountRefused`: the vendor refuses the account itself (wrong or blocked credentials); nothing was accepted.
 * - `notCalled`: no byte was written (lease over, connection refused, queue full).
 * - `ambiguous`: bytes were written and no answer proves anything.
 */
export type SendResult =
  | { kind: 'accepted'; providerId: string }
  | { kind: 'rejected'; code: string; permanent: boolean }
  | { kind: 'retryLater'; afterMs: number; code: string }
  | { kind: 'accountRefused'; code: string }
  | { kind: 'notCalled'; code: string }
  | { kind: 'ambiguous'; code: string };

/**
 * The codes of results by which the dispatch decides; an adapter says them where its vendor says the same in other
 * words. Every other code is the vendor's own, is kept as the message's reason, and decides nothing; a network's word
 * (`ECONNREFUSED`) or `HTTP_5xx` also counts as an outage.
 */
export const CODE = {
  /** `ambiguous`: the key stands for another message, so no repeat and no look-up will ever tell of this one. */
  keyReused: 'key_reused',
  /** `retryLater`: the vendor is not there, as opposed to one that is asked too often; `HTTP_503` says the same. */
  unavailable: 'unavailable',
  /** `notCalled`: the lease was over, which says nothing about the vendor. */
  leaseOver: 'LEASE_OVER',
  /** `notCalled`: this instance has been closed; the account was opened anew. */
  closed: 'CLOSED',
} as const;

/** What the dispatch may rely on; each entry is a promise that the vendor documents. */
export interface ProviderCapabilities {
  /**
   * Messages per vendor request; 1 where there is no bulk endpoint. A statement about the vendor: `send` takes any
   * number and splits it by itself, and the dispatch goes by `concurrency`.
   */
  maxBatch: number;
  /** Messages that can be under way at once: connections times the messages of a request. */
  concurrency: number;
  /**
   * `same`: a repeated key answers the first result; `rejects`: a repeated key is refused, which proves acceptance, so
   * the adapter answers `accepted`. To the dispatch both are a repeat that is safe.
   */
  idempotency: false | { ttlMs: number; onRepeat: 'same' | 'rejects' };
  /** Look-up by our reference; "not found" is final only `settlesAfterMs` after the end of the call, and only where authoritative. */
  lookup: false | { settlesAfterMs: number; authoritative: boolean };
  /**
   * Every callback carries our reference. Where it does not, each accepted message costs a row of its own
   * (`provider_messages`), by which a callback with the vendor's id alone finds it.
   */
  echoesReference: boolean;
}

export type LookupResult =
  | { kind: 'found'; providerId: string }
  | { kind: 'notFound' }
  | { kind: 'unavailable'; code: string };

/** One thing that a vendor tells us about a message, already verified. */
export interface DeliveryEvent {
  /** Unique per vendor account; a repeated event has the same id. */
  eventId: string;
  providerId: string | null;
  reference: string | null;
  status: 'accepted' | 'delivered' | 'read' | 'clicked' | 'failed';
  errorCode: string | null;
  /** When it happened, by the vendor's clock. */
  occurredAt: Date;
}

export interface SendContext {
  /** Asked again at the socket write: false means that the lease is over and no byte may leave. */
  mayBegin: () => boolean;
  /** How long to wait for an answer once written; afterwards the result is `ambiguous`. */
  requestTimeoutMs: number;
}

export type WebhookVerdict =
  | { ok: true; events: DeliveryEvent[] }
  | { ok: false; reason: 'signature' | 'timestamp' | 'payload' };

/** The raw parts of a webhook request; `rawBody` is byte for byte what arrived. */
export interface WebhookRequest {
  headers: Record<string, string>;
  rawBody: string;
  now: Date;
}

/** A vendor account that can send. One instance per credential; it holds its own connection pool. */
export interface MessagingProvider {
  readonly name: string;
  readonly capabilities: ProviderCapabilities;
  /** Answers one result per message, in order. Never throws for what a vendor does, and never retries by itself. */
  send(messages: readonly OutboundMessage[], context: SendContext): Promise<SendResult[]>;
  /** Present iff `capabilities.lookup`. */
  lookup?(references: readonly string[]): Promise<LookupResult[]>;
  close(): Promise<void>;
}

/** A vendor: how its config is checked, how an account is opened, how its callbacks are verified. */
export interface MessagingVendor {
  readonly name: string;
  readonly channels: readonly Channel[];
  /** Throws RegenteError('VALIDATION') with pointers into the config. */
  parseConfig(config: unknown): Record<string, unknown>;
  open(config: Record<string, unknown>): MessagingProvider;
  verifyWebhook(config: Record<string, unknown>, request: WebhookRequest): WebhookVerdict;
}
