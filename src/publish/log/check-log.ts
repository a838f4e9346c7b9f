import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { TILE_WIDTH } from '../../log/tile-math.ts';
import type { TileTree } from '../../log/tile-tree.ts';
import { isSameEntry, type LogEntry, parseEntry } from '../../published/log-entry.ts';

/** What a log has in it. */
export interface LogCensus {
  /** Entries by kind; those of others as `other`. */
  readonly kinds: Readonly<Record<string, number>>;
  /** What is wrong with single entries, as sentences; the tree is whole. */
  readonly problems: readonly string[];
}

/** Bundles that are read at the same time, in one round trip where the target can. */
const TOGETHER = 8;

/** Problems that are named. */
const NAMED = 20;

/**
 * Reads all of a log: every tile is hashed up to the root, every entry up to its leaf, and each of our format is read. Memory does
 * not grow with the log.
 * @throws NightlyError `log` at the first tile or bundle that is missing or was changed.
 */
export async function censusOf(tree: TileTree, task: Task): Promise<LogCensus> {
  const kinds: Record<string, number> = {};
  const problems: string[] = [];
  const add = (problem: string): void => {
    if (problems.length < NAMED) problems.push(problem);
  };
  const bundles = Math.ceil(tree.size / TILE_WIDTH);
  let before: LogEntry | undefined;
  for (let first = 0; first < bundles; first += TOGETHER) {
    task.signal.throwIfAborted();
    const indices = Array.from({ length: Math.min(TOGETHER, bundles - first) }, (_, offset) => first + offset);
    const read = await Promise.all(indices.map((index) => tree.bundle(index)));
    for (const [offset, entries] of read.entries()) {
      for (const [at, bytes] of entries.entries()) {
        const index = (first + offset) * TILE_WIDTH + at;
        const entry = readable(bytes, index, add);
        const kind = entry?.kind ?? 'other';
        kinds[kind] = (kinds[kind] ?? 0) + 1;
        if (isCutOff(before, entry)) add(`Entry ${index - 1} is part of one whose next part does not follow it.`);
        before = entry;
      }
    }
    task.progress(Math.min(tree.size, (first + TOGETHER) * TILE_WIDTH), tree.size, 'entries');
  }
  if (isCutOff(before, undefined)) add(`Entry ${tree.size - 1} is part of one whose next part does not follow it.`);
  return { kinds, problems };
}

function readable(bytes: Buffer, index: number, add: (problem: string) => void): LogEntry | undefined {
  try {
    return parseEntry(bytes, { file: `log, entry ${index}` });
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'log')) throw error;
    add(`Entry ${index}: ${error.message}`);
    return undefined;
  }
}

/** Whether an entry is in parts, and what follows it is not its next. */
function isCutOff(one: LogEntry | undefined, next: LogEntry | undefined): boolean {
  if (!one || !('part' in one) || !one.part || one.part.number === one.part.of) return false;
  const part = next && 'part' in next ? next.part : undefined;
  return !next || !part || part.number !== one.part.number + 1 || !isSameEntry(one, next);
}
