import { rateLimit } from '../http/rate-limit.ts';

/** Wrong passwords within a minute. */
const OF_ADDRESS = 20;
const OF_ADDRESS_AND_USER = 5;
const MINUTE_MS = 60_000;
/** How long a user who logged in stays known at an address, and how many such users are remembered. */
const PROVEN_MS = 86_400_000;
const MAX_PROVEN = 1000;

/** Counts wrong passwords. */
export interface Guesses {
  /** Whether a password may be looked at; else it is refused as if nobody had it, right or wrong. */
  mayTry(address: string, user: string): boolean;
  wrong(address: string, user: string): void;
  right(address: string, user: string): void;
}

/**
 * Limits guesses of one address. Whoever had the right password there within a day is not locked out by another who guesses
 * from the same address, as from behind the same router, as long as it is not their own name that is guessed.
 * @param tell given an address that has used up its guesses, once each time
 */
export function createGuesses(tell: (address: string) => void): Guesses {
  const ofAddress = rateLimit(OF_ADDRESS, MINUTE_MS);
  const ofUser = rateLimit(OF_ADDRESS_AND_USER, MINUTE_MS);
  const proven = new Map<string, number>();
  const key = (address: string, user: string): string => `${address} ${user}`;
  return {
    mayTry(address, user) {
      if (ofUser.spent(key(address, user))) return false;
      const since = proven.get(key(address, user));
      return !ofAddress.spent(address) || (since !== undefined && performance.now() - since < PROVEN_MS);
    },
    wrong(address, user) {
      const before = ofAddress.spent(address);
      ofAddress.take(address);
      ofUser.take(key(address, user));
      if (!before && ofAddress.spent(address)) tell(address);
    },
    right(address, user) {
      proven.delete(key(address, user));
      proven.set(key(address, user), performance.now());
      const [oldest] = proven.keys();
      if (proven.size > MAX_PROVEN && oldest !== undefined) proven.delete(oldest);
    },
  };
}
