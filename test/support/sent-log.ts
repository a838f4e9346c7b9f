import type { SentLog } from '../../src/targets/target.ts';

export interface TestSentLog extends SentLog {
  readonly paths: ReadonlySet<string>;
  /** How many paths each `add` brought. */
  readonly batches: readonly number[];
}

/** A log of what was sent, in memory. */
export function sentLog(): TestSentLog {
  const [paths, batches] = [new Set<string>(), [] as number[]];
  return {
    paths,
    batches,
    has: (path) => paths.has(path),
    add: async (more) => {
      batches.push(more.length);
      for (const path of more) paths.add(path);
    },
  };
}
