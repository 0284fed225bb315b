/** What a vendor promises about messages whose fate we do not know; a part of its capabilities. */
export interface ReconcilePromises {
  idempotency: false | { ttlMs: number; onRepeat: 'same' | 'rejects' };
  lookup: false | { settlesAfterMs: number; authoritative: boolean };
}

/** A row in `sending` whose call has ended without an answer, or whose caller is gone. */
export interface OpenMessage {
  /** When it was first marked for the vendor. */
  markedAtMs: number;
  /** The account's config when it was marked; a key of another account is worth nothing. */
  credentialVersion: number;
}

export type ReconcileStep =
  /** Send it again with the same key. */
  | { kind: 'repeat' }
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

/** The table of dispatch protocol §5. */
export function reconcileStep(message: OpenMessage, situation: ReconcileSituation): ReconcileStep {
  const { promises, credentialVersion, nowMs, mayRepeat } = situation;
  if (message.credentialVersion !== credentialVersion) return { kind: 'unknown' };
  const { idempotency, lookup } = promises;
  // Half of the key's life is left to the repeat itself and to clocks that differ.
  if (mayRepeat && idempotency !== false && nowMs - message.markedAtMs < idempotency.ttlMs / 2)
    return { kind: 'repeat' };
  if (lookup !== false)
    return { kind: 'lookup', notBeforeMs: message.markedAtMs + lookup.settlesAfterMs };
  return { kind: 'unknown' };
}
