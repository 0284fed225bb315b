/** What the vendor took for itself: about 200 bytes a message, so that a million of them fit. */
export interface Store {
  /** Takes a message. A reference that was taken before becomes a duplicate: a second real message. */
  accept(reference: string, key: string, print: number, atMs: number): string;
  /** What an idempotency key stands for, if it was used after `sinceMs`. */
  byKey(key: string, sinceMs: number): { id: string; print: number } | null;
  byReference(reference: string): AcceptedMessage | null;
  /** In the order of acceptance, duplicates included. */
  accepted(filter?: AcceptedFilter): AcceptedMessage[];
  readonly counts: { accepted: number; unique: number; duplicated: number };
  readonly firstAcceptedAt: number | null;
  readonly lastAcceptedAt: number | null;
}

export interface AcceptedMessage {
  reference: string;
  id: string;
  /** Wall clock (epoch ms) at which the request was read. */
  receivedAt: number;
  /** How often this reference was accepted. */
  count: number;
}

export interface AcceptedFilter {
  prefix?: string;
  /** Only what was received at or after this time (epoch ms). */
  sinceMs?: number;
}

export function createStore(idPrefix: string): Store {
  const references: string[] = [];
  const times: number[] = [];
  const prints: number[] = [];
  const firstOf = new Map<string, number>();
  const countOf = new Map<string, number>();
  const keyed: boolean[] = [];
  /** Only keys that do not stand for the first message of the reference of the same name. */
  const otherKeys = new Map<string, number>();

  const idOf = (index: number): string => idPrefix + index.toString(36);
  const describe = (index: number): AcceptedMessage => {
    const reference = references[index] ?? '';
    return {
      reference,
      id: idOf(index),
      receivedAt: times[index] ?? 0,
      count: countOf.get(reference) ?? 1,
    };
  };

  return {
    accept(reference, key, print, atMs) {
      const index = references.length;
      references.push(reference);
      times.push(atMs);
      prints.push(print);
      keyed.push(key === reference);
      const isFirst = !firstOf.has(reference);
      if (isFirst) firstOf.set(reference, index);
      else countOf.set(reference, (countOf.get(reference) ?? 1) + 1);
      if (key !== '' && (key !== reference || !isFirst)) otherKeys.set(key, index);
      return idOf(index);
    },
    byKey(key, sinceMs) {
      const first = firstOf.get(key);
      const own = first !== undefined && keyed[first] === true ? first : undefined;
      const index = otherKeys.get(key) ?? own;
      if (index === undefined || (times[index] ?? 0) < sinceMs) return null;
      return { id: idOf(index), print: prints[index] ?? 0 };
    },
    byReference(reference) {
      const index = firstOf.get(reference);
      return index === undefined ? null : describe(index);
    },
    accepted({ prefix = '', sinceMs = 0 } = {}) {
      const found: AcceptedMessage[] = [];
      for (let index = 0; index < references.length; index += 1) {
        if ((times[index] ?? 0) < sinceMs) continue;
        if (prefix === '' || references[index]?.startsWith(prefix)) found.push(describe(index));
      }
      return found;
    },
    get counts() {
      const [accepted, unique] = [references.length, firstOf.size];
      return { accepted, unique, duplicated: accepted - unique };
    },
    get firstAcceptedAt() {
      return times[0] ?? null;
    },
    get lastAcceptedAt() {
      return times.at(-1) ?? null;
    },
  };
}
