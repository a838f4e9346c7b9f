import { statSync } from 'node:fs';

/** What files say, read again only when they changed. */
export interface FileCache<Value> {
  /** Undefined when there is no such file or folder. */
  get(path: string): Promise<Value | undefined>;
}

interface Kept<Value> {
  readonly key: string;
  readonly value: Promise<Value | undefined>;
}

/** A file that changed this recently may change again without its time showing it: file systems count in steps of some ms. */
const RACY_MS = 100;

/**
 * A cache over files or folders, by modification time, size and inode.
 * @param read given the path of what was there a moment ago; undefined when it has gone meanwhile
 */
export function createFileCache<Value>(read: (path: string) => Promise<Value | undefined>): FileCache<Value> {
  const kept = new Map<string, Kept<Value>>();
  return {
    async get(path) {
      // Synchronous: a thousand records are asked for at once, and each takes 2 µs this way and 30 through the thread pool.
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found) {
        kept.delete(path);
        return undefined;
      }
      const key = `${found.mtimeMs} ${found.size} ${found.ino}`;
      const old = kept.get(path);
      if (old?.key === key) return old.value;
      const value = read(path);
      if (Date.now() - found.mtimeMs > RACY_MS) kept.set(path, { key, value });
      else kept.delete(path);
      value.catch(() => kept.delete(path));
      return value;
    },
  };
}
