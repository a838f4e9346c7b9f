import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** Makes durable whatever was written to the file system that holds a path, by any program. */
export async function syncFileSystem(path: string, task: Task): Promise<void> {
  await run('sync', ['--file-system', path], { task });
}
