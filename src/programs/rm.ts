import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Removes a folder with many files, or does nothing when it is not there: rm(1) takes a quarter of the time Node takes
 * for it. It never crosses into another file system.
 */
export async function removeTree(path: string, task: Task): Promise<void> {
  await run('rm', ['-rf', '--one-file-system', '--', path], { task });
}
