import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Makes a second tree of the same files: folders are new, files are hard links, so it costs no space and hardly any
 * time. Who changes a file in it must replace it, not write into it.
 */
export async function linkTree(from: string, to: string, task: Task): Promise<void> {
  await run('cp', ['-al', from, to], { task });
}

/** Makes a second tree with files of its own; owners, modes, times and extended attributes are kept. */
export async function copyTree(from: string, to: string, task: Task): Promise<void> {
  await run('cp', ['-a', '--reflink=auto', from, to], { task });
}
