import { run } from './exec.ts';
import type { Task } from './task.ts';

/**
 * Writes a folder's `repodata/`, reusing what the old one knows of unchanged packages. The program writes aside and
 * renames, so readers see the old metadata or the new.
 */
export async function createRepo(folder: string, task: Task): Promise<void> {
  await run('createrepo_c', ['--update', '--no-database', '--workers', '2', folder], { task });
}
