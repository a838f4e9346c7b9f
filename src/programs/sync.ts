import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** Makes durable whatever was written to the file system that holds a path, by any program. */
export async function syncFileSystem(path: string, task: Task): Promise<void> {
  await run('sync', ['--file-system', path], { task });
}

/**
 * Gives files that were written aside, on one file system, their names. They and their names are durable then: one wait for the disk
 * for all of them.
 */
export async function renameTogether(
  files: readonly { readonly aside: string; readonly path: string }[],
  task: Task,
): Promise<void> {
  const [first] = files;
  if (first === undefined) return;
  await syncFileSystem(dirname(first.aside), task);
  for (const { aside, path } of files) await rename(aside, path);
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await syncFolder(folder);
}
