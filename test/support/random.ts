/** Repeatable chance: the same seed, the same draws. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** Whole, from 0 to `below - 1`. */
  below(limit: number): number;
  /** One of these; the list is not empty. */
  pick<Item>(items: readonly Item[]): Item;
  chance(probability: number): boolean;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    pick: <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item,
    chance: (probability) => next() < probability,
  };
}
