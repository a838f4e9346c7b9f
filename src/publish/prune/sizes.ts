import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inBatches } from '../../base/batches.ts';
import { isErrno } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { ChecksumList } from '../../ostree/checksums.ts';
import { type ObjectType, objectPath } from '../../ostree/objects.ts';
import type { LoneObjects } from './prune-objects.ts';

/** Files removed together; a million paths would not fit into memory, so they are made as they are asked for. */
export interface FileGroup {
  readonly files: number;
  /** What is known of their sizes. */
  readonly bytes: number;
  /** Relative to the repository. */
  paths(): Iterable<string>;
}

/**
 * Returns the objects of each list as files; a list that must be gone before the next comes before it. Empty ones are
 * left out.
 */
export async function objectGroups(lone: LoneObjects, repo: string, task: Task) {
  const group = async (list: ChecksumList, type: ObjectType): Promise<FileGroup> => {
    const paths = function* (): Iterable<string> {
      for (const checksum of list) yield objectPath(checksum, type);
    };
    return { files: list.length, bytes: await sizeOfAll(paths(), repo, task), paths };
  };
  const content = [await group(lone.content, 'filez'), await group(lone.metas, 'dirmeta')];
  const folders: FileGroup[] = [];
  for (const trees of lone.trees) folders.push(await group(trees, 'dirtree'));
  return { content: content.filter(({ files }) => files > 0), folders };
}

/** Files named one by one. */
export async function fileGroup(paths: readonly string[], repo: string, task: Task): Promise<FileGroup> {
  return { files: paths.length, bytes: await sizeOfAll(paths, repo, task), paths: () => paths };
}

/**
 * Returns the size of objects in the local repository. Those it does not have count as 0 bytes: to list a whole target
 * for a figure in a report would cost more than the prune.
 */
async function sizeOfAll(paths: Iterable<string>, repo: string, task: Task): Promise<number> {
  let sum = 0;
  for (const batch of inBatches(paths, 64)) {
    task.signal.throwIfAborted();
    for (const bytes of await Promise.all(batch.map((path) => sizeOf(join(repo, path))))) sum += bytes;
  }
  return sum;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
