import { statfs } from 'node:fs/promises';

/** Bytes of a file system. */
export interface DiskSpace {
  /** What whoever is not root may use. */
  readonly free: number;
  readonly total: number;
}

/**
 * Returns the space of the file system that a folder is on; undefined when there is no such folder yet, as before the first run:
 * what only shows it is not a place to fail for that.
 */
export async function diskSpace(folder: string): Promise<DiskSpace | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { free: bavail * bsize, total: blocks * bsize };
  } catch {
    return undefined;
  }
}
