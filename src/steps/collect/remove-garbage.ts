import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { removeTree } from '../../programs/rm.ts';
import { removeRpms } from '../../rpm/rpm-cache.ts';
import type { Garbage } from './garbage.ts';

/**
 * Removes it. Folders first lose their name, by which they would be used, as a whole: when this is killed, what is left of them lies
 * among the work files of runs that have ended, and the next one removes it.
 */
export async function removeGarbage(work: string, items: readonly Garbage[], task: Task): Promise<void> {
  const aside = join(work, 'scratch', `gc-${process.pid}`);
  await makeFolder(aside);
  for (const [index, { kind, parts, path }] of items.entries()) {
    task.signal.throwIfAborted();
    task.say(`removing ${path}`);
    if (kind === 'packages') await removeRpms(parts);
    else {
      const gone = join(aside, String(index));
      await rename(join(work, path), gone);
      await removeTree(gone, task);
    }
  }
  await removeTree(aside, task);
}
