/** Counts what somebody does within a time; one more than allowed is refused until the time is over. */
export interface RateLimit {
  /** Seconds to wait, or 0 when this one is allowed. */
  take(who: string, now?: number): number;
  /** Whether the next one would be refused; counts nothing. */
  spent(who: string, now?: number): boolean;
}

/** Names that are kept at the same time; beyond it the oldest go, so that many addresses cannot fill the memory. */
const MAX_NAMES = 10_000;

/** At most `count` per name and `ms`, counted from the first of them; by a clock that nobody sets. */
export function rateLimit(count: number, ms: number): RateLimit {
  const seen = new Map<string, { since: number; count: number }>();
  return {
    spent(who, now = performance.now()) {
      const old = seen.get(who);
      return old !== undefined && now - old.since < ms && old.count >= count;
    },
    take(who, now = performance.now()) {
      const old = seen.get(who);
      if (!old || now - old.since >= ms) {
        seen.delete(who);
        seen.set(who, { since: now, count: 1 });
        for (const name of seen.keys()) {
          if (seen.size <= MAX_NAMES) break;
          seen.delete(name);
        }
        return 0;
      }
      old.count += 1;
      return old.count <= count ? 0 : Math.ceil((old.since + ms - now) / 1000);
    },
  };
}
