/**
 * What one process has under way with a vendor account, and how fast that goes: a mark is worth something only if its
 * calls begin before the lease is over, and a pause is silent only once they have, so nobody is marked for whom the queue
 * in front of the connections is too long.
 */
export interface CallFlow {
  /** How many messages can be begun within `withinMs`, those under way included; not below what goes at once. */
  window(withinMs: number): number;
  /** How many more; not below 0. */
  room(withinMs: number): number;
  /**
   * Counts messages as under way. The answer is called once, when all of them have ended, with how many the vendor has
   * taken: how fast it turns the others away says nothing about how fast it takes them.
   */
  begin(count: number): (taken: number) => void;
}

/** How much the newest measurement counts. */
const WEIGHT = 0.5;

/** @param atOnce messages that the account has connections for, and the assumption before anything was measured. */
export function createCallFlow(
  atOnce: number,
  now: () => number = () => performance.now(),
): CallFlow {
  let underWay = 0;
  let perMs: number | null = null;
  const window = (withinMs: number): number =>
    Math.max(atOnce, Math.floor((perMs ?? 0) * withinMs));
  return {
    window,
    room: (withinMs) => Math.max(0, window(withinMs) - underWay),
    begin(count) {
      underWay += count;
      // First come, first called: when these have ended, all that was under way before them has.
      const ahead = underWay;
      const startedMs = now();
      return (taken) => {
        underWay -= count;
        if (taken === 0) return;
        const measured = (ahead * (taken / count)) / Math.max(1, now() - startedMs);
        perMs = perMs === null ? measured : perMs + (measured - perMs) * WEIGHT;
      };
    },
  };
}
