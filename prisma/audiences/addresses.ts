import { createHash } from 'node:crypto';
import type { Channel } from '../../domain/channels';
import { addressKind } from '../../domain/channels';

const FIRST_SLOTS = 1 << 14;
/** Above it, look-ups begin to walk. */
const FULL = 0.7;

/**
 * The addresses of an upload so far, to find what comes twice: 11 to 23 bytes a phone, twice that an e-mail. A phone
 * in E.164 is kept as the number that it is; of an e-mail, 96 bits of a hash, so that two of a billion are never
 * taken for one.
 */
export class AddressSet {
  readonly #width: 1 | 2;
  readonly #keyOf: (address: string) => readonly [number, number];
  #slots: Float64Array;
  #mask = FIRST_SLOTS - 1;
  #size = 0;

  constructor(channel: Channel) {
    const byPhone = addressKind(channel) === 'phone';
    this.#width = byPhone ? 1 : 2;
    this.#keyOf = byPhone ? phoneKey : textKey;
    this.#slots = new Float64Array(FIRST_SLOTS * this.#width);
  }

  /** Whether the address was not there yet; it is from now on. */
  add(address: string): boolean {
    const [key, more] = this.#keyOf(address);
    if (!this.#insert(key, more)) return false;
    if (++this.#size > this.#mask * FULL) this.#grow();
    return true;
  }

  #insert(key: number, more: number): boolean {
    const width = this.#width;
    for (let at = slotOf(key) & this.#mask; ; at = (at + 1) & this.#mask) {
      const found = this.#slots[at * width];
      if (found === 0) {
        this.#slots[at * width] = key;
        if (width === 2) this.#slots[at * width + 1] = more;
        return true;
      }
      if (found === key && (width === 1 || this.#slots[at * width + 1] === more)) return false;
    }
  }

  #grow(): void {
    const before = this.#slots;
    const width = this.#width;
    this.#mask = this.#mask * 2 + 1;
    this.#slots = new Float64Array((this.#mask + 1) * width);
    for (let at = 0; at < before.length; at += width) {
      const key = before[at] ?? 0;
      if (key !== 0) this.#insert(key, width === 2 ? (before[at + 1] ?? 0) : 0);
    }
  }
}

/** At most 15 digits, which a double holds exactly. Never 0. */
function phoneKey(address: string): readonly [number, number] {
  return [Number(address.slice(1)), 0];
}

function textKey(address: string): readonly [number, number] {
  const hash = createHash('sha256').update(address).digest();
  return [hash.readUIntBE(0, 6) + 1, hash.readUIntBE(6, 6)];
}

/** Spreads neighbouring numbers over the table. */
function slotOf(key: number): number {
  let mixed = Math.imul(key | 0, 0x9e3779b1) ^ Math.imul((key / 0x1_0000_0000) | 0, 0x85ebca6b);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
