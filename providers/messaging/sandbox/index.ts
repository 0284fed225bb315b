import { CHANNELS } from '../../../domain/channels';
import { createHttpClient } from '../http';
import type { HttpCall, HttpClient } from '../http';
import type {
  LookupResult,
  MessagingProvider,
  MessagingVendor,
  OutboundMessage,
  ProviderCapabilities,
  SendContext,
  SendResult,
} from '../port';
import { readConfig } from './account-config';
import type { SandboxConfig } from './account-config';
import { bulkResultsOf, lookupResultsOf, sendResultOf } from './replies';
import { verify } from './webhook';

const BULK_LIMIT = 500;
const LOOKUP_LIMIT = 50;
const LOOKUP_TIMEOUT_MS = 10_000;
const KEY_LIFE_MS = 24 * 3_600_000;

/** The stand-in vendor of dev/sandbox; the first vendor of the port and the model for the next. */
export const sandboxVendor: MessagingVendor = {
  name: 'sandbox',
  channels: CHANNELS,
  parseConfig: (config) => ({ ...readConfig(config) }),
  open: (config) => openAccount(readConfig(config)),
  verifyWebhook: (config, request) => verify(webhookSecretOf(config), request),
};

/** Read once per config object: callbacks of one account come by the thousand. */
const webhookSecrets = new WeakMap<object, string>();

function webhookSecretOf(config: Record<string, unknown>): string {
  const known = webhookSecrets.get(config);
  if (known !== undefined) return known;
  const { webhookSecret } = readConfig(config);
  webhookSecrets.set(config, webhookSecret);
  return webhookSecret;
}

function openAccount(config: SandboxConfig): MessagingProvider {
  const http = createHttpClient({ origin: config.url, connections: config.connections });
  const account = new Account(config, http);
  const provider: MessagingProvider = {
    name: 'sandbox',
    capabilities: capabilitiesOf(config),
    send: (messages, context) => account.send(messages, context),
    close: () => http.close(),
  };
  if (config.lookup) provider.lookup = (references) => account.lookup(references);
  return provider;
}

function capabilitiesOf(config: SandboxConfig): ProviderCapabilities {
  const onRepeat = config.idempotency === 'rejects' ? 'rejects' : 'same';
  return {
    maxBatch: config.bulk ? BULK_LIMIT : 1,
    concurrency: config.connections * (config.bulk ? BULK_LIMIT : 1),
    idempotency: config.idempotency === false ? false : { ttlMs: KEY_LIFE_MS, onRepeat },
    lookup: config.lookup ? { settlesAfterMs: config.lookupSettlesMs, authoritative: true } : false,
    echoesReference: config.echoesReference,
  };
}

class Account {
  readonly #config: SandboxConfig;
  readonly #http: HttpClient;
  readonly #authorization: string[];
  readonly #headers: string[];

  constructor(config: SandboxConfig, http: HttpClient) {
    this.#config = config;
    this.#http = http;
    this.#authorization = ['authorization', `Bearer ${config.token}`];
    this.#headers = [...this.#authorization, 'content-type', 'application/json'];
  }

  async send(messages: readonly OutboundMessage[], context: SendContext): Promise<SendResult[]> {
    if (!this.#config.bulk) {
      const calls = messages.map((message) => this.#callOf(message, context));
      return (await this.#http.callAll(calls)).map(sendResultOf);
    }
    const parts = await Promise.all(
      inParts(messages, BULK_LIMIT).map((part) => this.#sendBulk(part, context)),
    );
    return parts.flat();
  }

  async lookup(references: readonly string[]): Promise<LookupResult[]> {
    const parts = await Promise.all(
      inParts(references, LOOKUP_LIMIT).map(async (part) => {
        const query = part.map((one) => `reference=${encodeURIComponent(one)}`).join('&');
        const outcome = await this.#http.call({
          method: 'GET',
          path: `/v1/messages?${query}`,
          headers: this.#authorization,
          body: null,
          mayBegin: () => true,
          requestTimeoutMs: LOOKUP_TIMEOUT_MS,
        });
        return lookupResultsOf(outcome, part);
      }),
    );
    return parts.flat();
  }

  #callOf(message: OutboundMessage, { mayBegin, requestTimeoutMs }: SendContext): HttpCall {
    const key = this.#config.idempotency === false ? [] : ['idempotency-key', message.reference];
    return {
      method: 'POST',
      path: '/v1/messages',
      headers: [...this.#headers, ...key],
      body: JSON.stringify(wireMessage(message)),
      mayBegin,
      requestTimeoutMs,
    };
  }

  async #sendBulk(messages: OutboundMessage[], context: SendContext): Promise<SendResult[]> {
    const keyed = this.#config.idempotency !== false;
    const items = messages.map((message) => ({
      ...wireMessage(message),
      ...(keyed ? { idempotencyKey: message.reference } : {}),
    }));
    const outcome = await this.#http.call({
      method: 'POST',
      path: '/v1/messages/bulk',
      headers: this.#headers,
      body: JSON.stringify({ messages: items }),
      mayBegin: context.mayBegin,
      requestTimeoutMs: context.requestTimeoutMs,
    });
    return bulkResultsOf(
      outcome,
      messages.map((message) => message.reference),
    );
  }
}

function wireMessage(message: OutboundMessage): object {
  const { reference, channel, to, subject, body, template } = message;
  return { reference, channel, to, subject, body, template };
}

function inParts<Item>(items: readonly Item[], size: number): Item[][] {
  const parts: Item[][] = [];
  for (let start = 0; start < items.length; start += size) {
    parts.push(items.slice(start, start + size));
  }
  return parts;
}
