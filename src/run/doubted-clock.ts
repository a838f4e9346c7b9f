import { askServers } from '../base/server-time.ts';
import { doubtOf, TRUST_VARIABLE } from './clock.ts';

/** What speaks against this machine's clock. */
export interface DoubtedClock {
  /** A sentence without its full stop: what the clock says, and what the others say. */
  readonly why: string;
  /** What it is by the others: seconds since the epoch. */
  readonly now: number;
}

/** What to do about it. */
export const DOUBTED_CLOCK_HINT =
  'Set the clock that is wrong ("timedatectl" shows whether this one is kept in step): by another time, keys have expired and commits are of the future.';

/**
 * Asks the servers of some addresses what time it is. Only for those who look: whoever publishes or removes by the clock stops
 * when it is in doubt (`targetsClock`).
 * @returns undefined when nothing speaks against the clock, or whoever runs this answers for it
 */
export async function doubtedClock(urls: readonly string[], signal: AbortSignal): Promise<DoubtedClock | undefined> {
  if (process.env[TRUST_VARIABLE] === '1') return undefined;
  const witnesses = await askServers(
    urls.map((url) => ({ url })),
    signal,
  );
  const now = Math.floor(Date.now() / 1000);
  const doubt = doubtOf(now, witnesses);
  if (doubt === undefined) return undefined;
  const [others] = witnesses.toSorted((a, b) => Math.abs(b.ahead) - Math.abs(a.ahead));
  return {
    why: `this machine's clock says ${new Date(now * 1000).toISOString()}, but ${doubt}`,
    now: now + (others?.ahead ?? 0),
  };
}
