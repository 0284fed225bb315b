/**
 * Who goes next in a process that has as many messages under way as it should: companies in turn, so that one with a
 * million people to send to holds up nobody who has a thousand.
 */
export interface FairShare {
  /** Resolves when the company has places for `count` messages, at once while there is room for all who ask. */
  enter(companyId: string, count: number): Promise<Places>;
}

export interface Places {
  /** Gives back all but so many, for others to go on; more than are held changes nothing. */
  keep(count: number): void;
}

interface Waiting {
  count: number;
  admit: (places: Places) => void;
}

/** @param capacity messages under way at once; whoever asks for more than that goes alone. */
export function createFairShare(capacity: number): FairShare {
  let free = capacity;
  /** In the order of their turns: a company that was let in goes to the end. */
  const waiting = new Map<string, Waiting[]>();

  const take = (count: number): Places => {
    let held = count;
    free -= held;
    return {
      keep(kept) {
        if (kept >= held) return;
        free += held - kept;
        held = kept;
        letIn();
      },
    };
  };

  const fits = (count: number): boolean => free >= Math.min(count, capacity);

  const letIn = (): void => {
    for (const [companyId, queue] of waiting) {
      const [first] = queue;
      // Whoever's turn it is waits for its places, however little the next one wants.
      if (first === undefined || !fits(first.count)) return;
      queue.shift();
      waiting.delete(companyId);
      if (queue.length > 0) waiting.set(companyId, queue);
      first.admit(take(first.count));
    }
  };

  return {
    enter: (companyId, count) =>
      new Promise((admit) => {
        if (waiting.size === 0 && fits(count)) return admit(take(count));
        const queue = waiting.get(companyId) ?? [];
        queue.push({ count, admit });
        waiting.set(companyId, queue);
      }),
  };
}
