/** What a vendor promises about messages whose fate we do not know; a part of its capabilities. */
export interface ReconcilePromises {
  idempotency: false | { ttlMs: number; onRepeat: 'same' | 'rejects' };
  lookup: false | { settlesAfterMs: number; authoritative: boolean };
}

/** A row in `sending` whose call has ended without an answer, or whose caller is gone. */
export interface OpenMessage {
  /** When it was first marked for the vendor. */
  markedAtMs: number;
  /** No call of it has begun after this. */
  callBeforeMs: number;
  /** No call of it is under way after this: what was written until then may reach the vendor until then. */
  endedAtMs: number;
  /** The account's config when it was marked; a key of another account is worth nothing. */
  credentialVersion: number;
  /** How often it was marked, repeats included. */
  tries: number;
}

export type ReconcileStep =
  /** Send it again with the same key, not before `notBeforeMs`. */
  | { kind: 'repeat'; notBeforeMs: number }
  /** Ask the vendor by our reference, not before `notBeforeMs`. */
  | { kind: 'lookup'; notBeforeMs: number }
  /** Nobody can tell; it waits for a callback or for a person. */
  | { kind: 'unknown' };

export interface ReconcileSituation {
  promises: ReconcilePromises;
  credentialVersion: number;
  nowMs: number;
  /** Repeats are sends, so they happen only while PROCESSING. */
  mayRepeat: boolean;
}

/** How long after its lease a row of an unknown caller is left alone: a request may have begun at the lease's end. */
export const graceAfterLeaseMs = (requestTimeoutMs: number): number => requestTimeoutMs + 1_000;

/** A message that has never got an answer in so many tries, about an hour, will not get one. */
export const MOST_TRIES = 15;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;

/** How long after a try the next one waits: not at all, then 1, 2, 4 … seconds, at most ten minutes. */
export const pauseAfterMs = (tries: number): number =>
  tries <= 1 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 2));

/** What to do next about a message whose fate is not known; ARCHITECTURE.md has it as a table ("After a crash"). */
export function reconcileStep(message: OpenMessage, situation: ReconcileSituation): ReconcileStep {
  const { markedAtMs, callBeforeMs, endedAtMs, credentialVersion, tries } = message;
  const { promises, nowMs, mayRepeat } = situation;
  if (credentialVersion !== situation.credentialVersion) return { kind: 'unknown' };
  const { idempotency, lookup } = promises;
  // Half of the key's life is left to the repeat itself and to clocks that differ.
  const keyLives = idempotency !== false && nowMs - markedAtMs < idempotency.ttlMs / 2;
  if (mayRepeat && keyLives && tries < MOST_TRIES) {
    // A first repeat need not wait for the lease of a call that was seen to end.
    const notBeforeMs = tries <= 1 ? 0 : callBeforeMs + pauseAfterMs(tries);
    return { kind: 'repeat', notBeforeMs };
  }
  if (lookup !== false) return { kind: 'lookup', notBeforeMs: endedAtMs + lookup.settlesAfterMs };
  return { kind: 'unknown' };
}
