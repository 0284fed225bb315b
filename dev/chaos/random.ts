/** Every random moment and choice of a run comes from its seed; the machine's speed decides the rest. */
export interface Random {
  /** From 0, below 1. */
  next(): number;
  between(least: number, most: number): number;
  /** A whole number, both ends included. */
  whole(least: number, most: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** So many numbers between the two, ascending, one in each equal part of the way. */
  ascending(count: number, least: number, most: number): number[];
}

/** The same seed and name give the same numbers, whatever else is run. */
export function createRandom(seed: number, name: string): Random {
  let state = seed >>> 0;
  for (const letter of name) state = Math.imul(state ^ letter.charCodeAt(0), 0x01_00_01_93) >>> 0;
  const next = (): number => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number): number => least + next() * (most - least);
  return {
    next,
    between,
    whole: (least, most) => Math.floor(between(least, most + 1)),
    pick: (choices) => choices[Math.floor(next() * choices.length)] ?? choices[0],
    ascending: (count, least, most) => {
      const step = (most - least) / count;
      return Array.from({ length: count }, (_, i) =>
        between(least + i * step, least + (i + 1) * step),
      );
    },
  };
}
