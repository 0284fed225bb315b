/** A token bucket per account; what it refuses is told how long to wait. */
export interface Limiter {
  /** 0 when the message may pass, else the milliseconds until the next one may. */
  take(account: string, limit: { perSecond: number; burst: number }): number;
}

export function createLimiter(): Limiter {
  const buckets = new Map<string, { left: number; atMs: number }>();
  return {
    take(account, { perSecond, burst }) {
      const nowMs = performance.now();
      const bucket = buckets.get(account) ?? { left: burst, atMs: nowMs };
      bucket.left = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1_000) * perSecond);
      bucket.atMs = nowMs;
      buckets.set(account, bucket);
      if (bucket.left < 1) return ((1 - bucket.left) / perSecond) * 1_000;
      bucket.left -= 1;
      return 0;
    },
  };
}
