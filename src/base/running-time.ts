/** How often it is looked whether this program was stopped, in milliseconds. */
const LOOK_EVERY_MS = 1000;

/** The longest that setTimeout takes. */
const LONGEST_MS = 2 ** 31 - 1;

let seen = performance.now();
let stoppedMs = 0;

function look(): void {
  const now = performance.now();
  const gap = now - seen;
  seen = now;
  if (gap > 3 * LOOK_EVERY_MS) stoppedMs += gap - LOOK_EVERY_MS;
}

setInterval(look, LOOK_EVERY_MS).unref();

/**
 * Returns for how long this program has been running, in milliseconds. The time in which it was stopped (Ctrl-Z, SIGSTOP,
 * the freezer) does not count: what was stopped with it had no chance to get on, and what was not waits to be read.
 */
export function runningMs(): number {
  look();
  return performance.now() - stoppedMs;
}

/** A time limit that counts only the time in which this program runs. */
export interface RunningLimit {
  /** Lets the time begin anew. */
  readonly again: () => void;
  /** Forgets about it. */
  readonly end: () => void;
}

/** Calls a function once so many milliseconds have been spent. */
export function runningLimit(ms: number, spent: () => void): RunningLimit {
  let since = runningMs();
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = since + ms - runningMs();
    if (left <= 0) spent();
    else timer = setTimeout(wait, Math.min(Math.ceil(left), LONGEST_MS));
  };
  wait();
  return {
    again: () => {
      since = runningMs();
    },
    end: () => clearTimeout(timer),
  };
}
