import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { writeFileAtomic } from '../../base/files.ts';

/** What a file was when it was read: while none of it changes, its content has not either. */
export const fileStamp = z.tuple([
  z.string().regex(/^[0-9a-f]{64}$/),
  /** Size in bytes, time of the last change in milliseconds, inode. */
  z.number(),
  z.number(),
  z.number(),
]);

const schema = z.object({
  version: z.literal(1),
  /** Each file by its path below the repository. */
  files: z.record(z.string(), fileStamp),
  /** SHA-256 of the repomd.xml whose packages are those of `files`. */
  repomd: z.string().exactOptional(),
  /** Metadata that an earlier repomd.xml named, with the time since which none does, in seconds since the epoch. */
  old: z.record(z.string(), z.number()),
});

export type FileStamp = readonly [sha256: string, bytes: number, changedMs: number, inode: number];

/**
 * What is remembered of a local repository, so that ten thousand packages need not be read at each publication. A loss of it
 * costs time, and nothing else.
 */
export interface RepositoryMemory {
  readonly files: ReadonlyMap<string, FileStamp>;
  readonly repomd?: string | undefined;
  readonly old: ReadonlyMap<string, number>;
}

/** Reads it; one that is missing or damaged is empty. */
export async function readRepositoryMemory(path: string): Promise<RepositoryMemory> {
  const known = await readCacheRecord(path, schema);
  return {
    files: new Map(Object.entries(known?.files ?? {})),
    repomd: known?.repomd,
    old: new Map(Object.entries(known?.old ?? {})),
  };
}

/** Writes what is remembered of a repository, so that a kill leaves the old file or the new one. */
export async function writeRepositoryMemory(path: string, { files, repomd, old }: RepositoryMemory): Promise<void> {
  const state = { version: 1, files: Object.fromEntries(files), repomd, old: Object.fromEntries(old) };
  await writeFileAtomic(path, JSON.stringify(state));
}
