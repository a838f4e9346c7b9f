import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { TargetFile } from '../targets/target.ts';
import { isErrno } from '../tools/files.ts';
import type { Task } from '../tools/task.ts';
import type { PruneRequest } from './prune-decide.ts';

/**
 * The sizes of objects, from the local repository. Those it does not have count as 0 bytes: to list a whole target for a
 * figure in a report would cost more than the prune. Paths come relative to the repository and go relative to the
 * target's root.
 */
export async function measureFiles(
  paths: readonly string[],
  { repo }: Pick<PruneRequest, 'repo'>,
  task: Task,
): Promise<TargetFile[]> {
  return pLimit(32).map(paths, async (path) => {
    task.signal.throwIfAborted();
    return { path: `repo/${path}`, bytes: await sizeOf(join(repo, path)) };
  });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
