/** One measured part of the compose. */
export interface Phase {
  readonly name: string;
  readonly tool: string;
  readonly seconds: number;
}

export interface Phases {
  /** Runs a piece of work and notes how long it took and which program it was spent in (`self`: this one). */
  time<T>(name: string, tool: string, work: () => Promise<T> | T): Promise<T>;
  list(): Phase[];
}

/** Returns a stop watch whose phases may nest: time of an inner one does not count for the outer. */
export function createPhases(): Phases {
  const done: Phase[] = [];
  const inner: number[] = [];
  return {
    async time(name, tool, work) {
      const index = done.push({ name, tool, seconds: 0 }) - 1;
      const start = performance.now();
      inner.push(0);
      try {
        return await work();
      } finally {
        const whole = (performance.now() - start) / 1000;
        const nested = inner.pop() ?? 0;
        const outer = inner.length - 1;
        if (outer >= 0) inner[outer] = (inner[outer] ?? 0) + whole;
        done[index] = { name, tool, seconds: Math.round((whole - nested) * 1000) / 1000 };
      }
    },
    list: () => [...done],
  };
}
