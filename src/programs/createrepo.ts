import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Writes a folder's `repodata/`, reusing what the old one knows of unchanged packages. The program writes aside and
 * renames, so readers see the old metadata or the new.
 */
export async function createRepo(folder: string, task: Task): Promise<void> {
  await run('createrepo_c', [...OPTIONS, folder], { task });
}

/**
 * The same, but into `aside/repodata/`, which may have a copy of the old metadata: what that has beyond packages (groups,
 * updateinfo) is kept.
 */
export async function createRepoAside(folder: string, aside: string, task: Task): Promise<void> {
  await run('createrepo_c', [...OPTIONS, '--keep-all-metadata', '--outputdir', aside, folder], { task });
}

const OPTIONS = ['--update', '--no-database', '--workers', '2'];
