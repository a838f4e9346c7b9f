import { statSync } from 'node:fs';

/** What files say, read again only when they changed. */
export interface FileCache<Value> {
  /** Undefined when there is no such file or folder. */
  get(path: string): Promise<Value | undefined>;
  /** Grows whenever something was read anew. */
  readonly reads: number;
}

interface Kept<Value> {
  readonly key: string;
  readonly bytes: number;
  readonly value: Promise<Value | undefined>;
}

/** A file that changed this recently may change again without its time showing it: file systems count in steps of some ms. */
const RACY_MS = 100;

/**
 * Returns a cache over files or folders, by modification time, size and inode.
 * @param read given the path of what was there a moment ago; undefined when it has gone meanwhile
 * @param maxBytes of the files that are remembered: beyond it those that were asked for least recently are forgotten
 */
export function createFileCache<Value>(
  read: (path: string) => Promise<Value | undefined>,
  maxBytes = Number.POSITIVE_INFINITY,
): FileCache<Value> {
  const kept = new Map<string, Kept<Value>>();
  let [reads, bytes] = [0, 0];

  function forget(path: string): boolean {
    bytes -= kept.get(path)?.bytes ?? 0;
    return kept.delete(path);
  }

  function keep(path: string, one: Kept<Value>): void {
    forget(path);
    kept.set(path, one);
    bytes += one.bytes;
    for (const oldest of kept.keys()) {
      if (bytes <= maxBytes || oldest === path) break;
      forget(oldest);
    }
  }

  return {
    get reads() {
      return reads;
    },
    async get(path) {
      // Synchronous: many are asked for at once, and the way through the thread pool takes several times longer than the look.
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found) {
        if (forget(path)) reads += 1;
        return undefined;
      }
      const key = `${found.mtimeMs} ${found.size} ${found.ino}`;
      const old = kept.get(path);
      if (old?.key === key) {
        if (maxBytes !== Number.POSITIVE_INFINITY) keep(path, old);
        return old.value;
      }
      reads += 1;
      const value = read(path);
      if (Date.now() - found.mtimeMs > RACY_MS) keep(path, { key, bytes: found.size, value });
      else forget(path);
      value.catch(() => forget(path));
      return value;
    },
  };
}
