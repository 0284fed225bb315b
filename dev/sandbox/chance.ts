/**
 * A number in [0, 1) that depends on nothing but its arguments: whatever the order in which messages
 * arrive, a run with the same seed strikes the same ones.
 */
export function chance(seed: number, purpose: string, reference: string, nth: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1) ^ Math.imul(nth + 1, 0x85ebca6b);
  hash = absorb(absorb(hash, purpose), reference);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 4_294_967_296;
}

/** A small whole number that changes with the text; equal texts give equal numbers. */
export const fingerprint = (text: string): number => absorb(0x811c9dc5, text) | 0;

/** FNV-1a. */
function absorb(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}
