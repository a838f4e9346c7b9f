import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { type Entry, type Scan, signature } from './scan-folder.ts';

/**
 * Which object each file of a folder became, with what the file system said of the file then, as git's index has it: a
 * file of which nothing of that changed is not read again. Lies beside the objects; a damaged one costs time only.
 */
export interface FileIndex {
  /** The object of a file or link, if it is known to be unchanged. */
  lookUp(entry: Entry): string | undefined;
}

const schema = z.object({
  version: z.literal(1),
  /** Digest of all else that decides about objects: labels, owners. */
  settings: z.string(),
  files: z.record(z.string(), z.tuple([z.string(), z.string().regex(/^[0-9a-f]{64}$/)])),
});

/** Times are kept by ticks of some milliseconds: a file written within the tick it was read in may have changed after. */
const TICK_MS = 2000;

const pathIn = (repo: string): string => join(repo, 'atomic-nightly-files.json');

/** Opens the index beside a bare-user repository; an empty one when there is none, or one of other settings. */
export async function openFileIndex(repo: string, settings: string): Promise<FileIndex> {
  const known = await readCacheRecord(pathIn(repo), schema);
  const files = known?.settings === settings ? known.files : {};
  return {
    lookUp(entry) {
      // Own entries only: a path such as "constructor" is none of the prototype's.
      const [seen, object = ''] = Object.hasOwn(files, entry.path) ? (files[entry.path] ?? []) : [];
      if (seen !== signature(entry)) return undefined;
      return existsSync(join(repo, 'objects', object.slice(0, 2), `${object.slice(2)}.file`)) ? object : undefined;
    },
  };
}

/** Replaces the index. @param objects by the path in the folder */
export async function writeFileIndex(
  repo: string,
  settings: string,
  { entries, begun }: Scan,
  objects: ReadonlyMap<string, string>,
): Promise<void> {
  const files = entries.flatMap((entry) => {
    const object = objects.get(entry.path);
    const isOld = entry.stat.ctimeMs < BigInt(begun - TICK_MS);
    return object === undefined || !isOld ? [] : [[entry.path, [signature(entry), object]]];
  });
  await writeFile(pathIn(repo), JSON.stringify({ version: 1, settings, files: Object.fromEntries(files) }));
}
