import { rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow, ifThere, sha256File, writeFileAtomic } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import { type FileStamp, fileStamp } from '../repository/repository-memory.ts';

const schema = z.object({
  version: z.literal(1),
  files: z.record(z.string(), fileStamp),
  unneeded: z.record(z.string(), z.number()),
});

/** What is remembered of a pool; a loss of it costs time. Paths are absolute. */
export interface PoolIndex {
  readonly files: ReadonlyMap<string, FileStamp>;
  /** Files that nobody needed, since when, in seconds since the epoch. */
  readonly unneeded: ReadonlyMap<string, number>;
}

const fileOf = (pool: string): string => join(pool, 'index.json');

/** Returns where the pool has a copy of a package. @throws NightlyError `verify` for a hash or copy that is none. */
export function poolPath(
  pool: string,
  { payloadHash, copy }: { readonly payloadHash: string; readonly copy: string },
): string {
  if (!/^[0-9a-f]{32}$/.test(payloadHash) || !/^(unsigned|[0-9a-f]{8,40})$/.test(copy)) {
    throw new NightlyError(
      'verify',
      `${JSON.stringify(payloadHash)} is not a payload hash, or ${JSON.stringify(copy)} not a key id.`,
    );
  }
  return join(pool, payloadHash.slice(0, 2), `${payloadHash}-${copy}.rpm`);
}

export async function readPoolIndex(pool: string): Promise<PoolIndex> {
  const known = await readCacheRecord(fileOf(pool), schema);
  const absolute = <Value>(all: Readonly<Record<string, Value>> = {}): Map<string, Value> =>
    new Map(Object.entries(all).map(([path, value]) => [join(pool, path), value]));
  return { files: absolute(known?.files), unneeded: absolute(known?.unneeded) };
}

export async function writePoolIndex(pool: string, { files, unneeded }: PoolIndex): Promise<void> {
  const inside = <Value>(all: ReadonlyMap<string, Value>) =>
    Object.fromEntries([...all].map(([path, value]) => [relative(pool, path), value]));
  await writeFileAtomic(fileOf(pool), JSON.stringify({ version: 1, files: inside(files), unneeded: inside(unneeded) }));
}

/** Returns the SHA-256 of files of a pool, whoever put them there; only such as are not remembered are read. */
export async function pooledDigests(pool: string, paths: readonly string[], task: Task): Promise<Map<string, string>> {
  const index = await readPoolIndex(pool);
  const files = new Map(index.files);
  const found = new Map<string, string>();
  await inParallel(paths, { atATime: 8, signal: task.signal }, async (path) => {
    const { size, mtimeMs, ino } = await stat(path);
    const before = index.files.get(path);
    const same = before && before[1] === size && before[2] === mtimeMs && before[3] === ino;
    const digest = same ? before[0] : await sha256File(path);
    files.set(path, [digest, size, mtimeMs, ino]);
    found.set(path, digest);
  });
  await writePoolIndex(pool, { ...index, files });
  return found;
}

/**
 * Removes files of a pool that nobody has needed for a while. What is in a repository stays there: it is another name of the same file.
 * @param needed absolute paths
 * @param now seconds since the epoch
 * @returns how many were removed
 */
export async function prunePool(
  pool: string,
  needed: ReadonlySet<string>,
  { keepSeconds, now }: { readonly keepSeconds: number; readonly now: number },
): Promise<number> {
  const index = await readPoolIndex(pool);
  const [files, unneeded] = [new Map(index.files), new Map<string, number>()];
  let removed = 0;
  for (const name of await filesBelow(pool)) {
    const path = join(pool, name);
    if (!/\.(rpm|part|tmp)$/.test(name) || needed.has(path)) continue;
    const since = Math.min(index.unneeded.get(path) ?? now, now);
    if (now - since < keepSeconds) unneeded.set(path, since);
    else {
      await rm(path, { force: true });
      files.delete(path);
      removed += 1;
    }
  }
  for (const path of files.keys()) if (!(await ifThere(stat(path)))) files.delete(path);
  await writePoolIndex(pool, { files, unneeded });
  return removed;
}
