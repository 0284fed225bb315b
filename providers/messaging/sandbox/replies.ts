import { retryAfterMs } from '../http';
import type { HttpOutcome } from '../http';
import { CODE, type LookupResult, type SendResult } from '../port';

const BUSY_MS = 1_000;

/** What one reply of the vendor says about one message; a status per message comes from the bulk endpoint. */
interface Verdict {
  status: number;
  retryAfter: string | undefined;
  reply: unknown;
}

/** The result of `POST /v1/messages`. */
export function sendResultOf(outcome: HttpOutcome): SendResult {
  if (outcome.kind === 'notWritten') return { kind: 'notCalled', code: outcome.code };
  if (outcome.kind === 'ambiguous') return outcome;
  return judge({
    status: outcome.status,
    retryAfter: headerText(outcome.headers['retry-after']),
    reply: parse(outcome.body),
  });
}

/** The results of `POST /v1/messages/bulk`: one per reference, in order. */
export function bulkResultsOf(outcome: HttpOutcome, references: string[]): SendResult[] {
  const reply = outcome.kind === 'response' ? parse(outcome.body) : null;
  const isWhole = outcome.kind === 'response' && outcome.status === 200;
  const results: unknown = isWhole && isRecord(reply) ? reply['results'] : null;
  if (!isWhole || !Array.isArray(results)) {
    const result = sendResultOf(outcome);
    return references.map(() => result);
  }
  return references.map((reference, index) => {
    const item: unknown = results[index];
    if (!isRecord(item) || item['reference'] !== reference || typeof item['status'] !== 'number') {
      return badReply();
    }
    return judge({ status: item['status'], retryAfter: text(item['retryAfter']), reply: item });
  });
}

/** The results of a look-up, one per reference, in order. */
export function lookupResultsOf(outcome: HttpOutcome, references: string[]): LookupResult[] {
  const reply = outcome.kind === 'response' ? parse(outcome.body) : null;
  const items: unknown = isRecord(reply) ? reply['items'] : null;
  if (outcome.kind !== 'response' || outcome.status !== 200 || !Array.isArray(items)) {
    const code = outcome.kind === 'response' ? `HTTP_${outcome.status}` : outcome.code;
    return references.map(() => ({ kind: 'unavailable', code }));
  }
  const idOf = new Map<unknown, string>();
  for (const item of items as unknown[]) {
    if (isRecord(item) && typeof item['id'] === 'string') idOf.set(item['reference'], item['id']);
  }
  return references.map((reference) => {
    const providerId = idOf.get(reference);
    return providerId === undefined ? { kind: 'notFound' } : { kind: 'found', providerId };
  });
}

/**
 * The vendor documents: 2xx accepted; 409 the key was used and this is its message; 422 `key_reused`
 * the key belongs to another content; other 4xx and 503 never accept; any other 5xx may have accepted.
 */
function judge({ status, retryAfter, reply }: Verdict): SendResult {
  const id = isRecord(reply) ? text(reply['id']) : undefined;
  const code = isRecord(reply) ? text(reply['code']) : undefined;
  if ((status >= 200 && status < 300) || (status === 409 && code === 'duplicate_key')) {
    return id === undefined ? badReply() : { kind: 'accepted', providerId: id };
  }
  if (status === 429 || status === 503) {
    const afterMs = retryAfterMs(retryAfter, BUSY_MS);
    return { kind: 'retryLater', afterMs, code: code ?? `HTTP_${status}` };
  }
  // Something was accepted under this key, only not what was asked now.
  if (code === 'key_reused') return { kind: 'ambiguous', code: CODE.keyReused };
  if (status < 400 || status === 408 || status >= 500) {
    return { kind: 'ambiguous', code: `HTTP_${status}` };
  }
  if (isAboutTheAccount(status)) return { kind: 'accountRefused', code: `HTTP_${status}` };
  // Without the vendor's own words it may be a proxy that speaks: another time may end otherwise.
  const permanent = code !== undefined && isRecord(reply) && reply['permanent'] !== false;
  return { kind: 'rejected', code: code ?? `HTTP_${status}`, permanent };
}

/** Token, plan or address: nothing is wrong with the message, so it must not be spent on this. */
function isAboutTheAccount(status: number): boolean {
  return status === 401 || status === 402 || status === 403 || status === 404 || status === 405;
}

function badReply(): SendResult {
  return { kind: 'ambiguous', code: 'BAD_REPLY' };
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
