import { setTimeout as sleep } from 'node:timers/promises';
import type { MiddlewareHandler } from 'hono';

/** What part of one processor the service takes for answers while a run is under way. */
const SHARE = 0.03;
/** Processor time it may take at once after a rest: enough to make some pages that nobody has asked for in a while. */
const BURST_MS = 500;
/** Whoever asks is answered some time, even if others ask for what takes long to make. */
const LONGEST_MS = 10_000;

/**
 * Clocks of a process: the processor time it has used and the time that has passed, in milliseconds from an arbitrary
 * start.
 */
export interface Clocks {
  used(): number;
  passed(): number;
}

const OWN_CLOCKS: Clocks = {
  used() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  passed: () => performance.now(),
};

/** Says how long an answer is to wait, in milliseconds, so that the process keeps to its share of a processor. */
export function pace(clocks: Clocks = OWN_CLOCKS): () => number {
  let [used, passed, left] = [clocks.used(), clocks.passed(), BURST_MS];
  return () => {
    const [usedNow, passedNow] = [clocks.used(), clocks.passed()];
    left += (passedNow - passed) * SHARE - (usedNow - used);
    left = Math.max(-LONGEST_MS * SHARE, Math.min(BURST_MS, left));
    [used, passed] = [usedNow, passedNow];
    return Math.max(0, -left / SHARE);
  };
}

/**
 * Lets answers wait while a run is under way, so that a rush of visitors does not slow it down: whoever asks again and
 * again does so later. A low priority alone would still leave the service a tenth of each processor that both want.
 */
export function paced(isRunning: () => Promise<boolean>): MiddlewareHandler {
  const wait = pace();
  return async (_, next) => {
    const ms = wait();
    // Not counted as work to be waited for when the service ends.
    if (ms > 0 && (await isRunning())) await sleep(ms, undefined, { ref: false });
    return next();
  };
}
