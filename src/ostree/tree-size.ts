import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../base/task.ts';
import { localObjects } from './objects.ts';
import { walkNew } from './tree-walk.ts';

/** All objects of a commit, with their bytes as they are stored in an archive repository. */
export interface TreeSize {
  readonly objects: number;
  readonly bytes: number;
}

/** Returns how large a commit in the local repository is. */
export async function treeSize(repo: string, commit: string, task: Task): Promise<TreeSize> {
  const read = localObjects(repo);
  let [objects, bytes] = [0, 0];
  for await (const { path } of walkNew(commit, undefined, { readNew: read, readOld: read })) {
    task.signal.throwIfAborted();
    objects += 1;
    bytes += (await stat(join(repo, path))).size;
  }
  return { objects, bytes };
}
