/** Work goes on after so long even if newcomers keep coming. */
const LONGEST_MS = 50;

/** Pieces of work, one after another. */
export interface Turns {
  /** Begins a piece of work when its turn has come. */
  wait(begin: () => void): void;
  /** Somebody has just connected: work lets those behind them in first. */
  arrived(): void;
}

/**
 * Begins pieces of work one after another, one each time round the event loop, so that a crowd that asks at once does not
 * hold up what is answered without waiting for a turn (`/healthz`). The loop takes one new connection each time round, too
 * (libuv since 1.45): with a page between each two, the last of three hundred would wait for three hundred pages.
 */
export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  let newcomer = false;
  let worked = 0;
  const next = (): void => {
    const now = performance.now();
    if (!newcomer || now - worked > LONGEST_MS) {
      worked = now;
      waiting.shift()?.();
    }
    newcomer = false;
    if (waiting.length > 0) setImmediate(next);
  };
  return {
    wait(begin) {
      if (waiting.push(begin) === 1) {
        worked = performance.now();
        setImmediate(next);
      }
    },
    arrived() {
      newcomer = true;
    },
  };
}
