/** Work goes on after so long even if newcomers keep coming. */
const LONGEST_MS = 50;

/** Pieces of work that many ask for, begun one after another. */
export interface Turns {
  /** Begins a piece of work when the turn of whoever asks for it has come. */
  wait(who: string, begin: () => void): void;
  /** Somebody has just connected: work lets those behind them in first. */
  arrived(): void;
}

/**
 * Begins `each` pieces of work at most each time round the event loop, those of all who wait in turn (I15): a crowd that
 * asks at once holds up neither other addresses nor what has turns of its own. The loop takes one new connection each time
 * round (libuv since 1.45): with a page between each two, the last of three hundred would wait for three hundred pages.
 */
export function createTurns(each = 1): Turns {
  // In the order of their next turns: whoever had one goes to the end.
  const waiting = new Map<string, (() => void)[]>();
  let [scheduled, newcomer, worked] = [false, false, 0];

  function next(): void {
    for (const [who, own] of waiting) {
      const begin = own.shift();
      waiting.delete(who);
      if (own.length > 0) waiting.set(who, own);
      begin?.();
      return;
    }
  }

  function round(): void {
    scheduled = false;
    const now = performance.now();
    if (!newcomer || now - worked > LONGEST_MS) {
      worked = now;
      for (let begun = 0; begun < each; begun += 1) next();
    }
    newcomer = false;
    schedule();
  }

  function schedule(): void {
    if (scheduled || waiting.size === 0) return;
    scheduled = true;
    setImmediate(round);
  }

  return {
    wait(who, begin) {
      if (waiting.size === 0) worked = performance.now();
      const own = waiting.get(who);
      if (own) own.push(begin);
      else waiting.set(who, [begin]);
      schedule();
    },
    arrived() {
      newcomer = true;
    },
  };
}
