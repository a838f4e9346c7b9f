import { copyFileSync, existsSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno, makeFolderSync } from '../../base/files.ts';
import { objectPath } from '../../ostree/objects.ts';
import type { CheckedRef } from './check-commit.ts';

/**
 * Gives the objects of a push their names in the published repository, commits with their detached metadata last. They are
 * renamed, and so are whole at every moment. What is there already stays: the same bytes under the same name (I16).
 */
export function moveIn(refs: readonly CheckedRef[], staging: string, repo: string): void {
  const commits = [...new Set(refs.map(({ commit }) => commit))];
  const own = new Set(commits.map((commit) => objectPath(commit, 'commit')));
  for (const path of new Set(refs.flatMap(({ fresh }) => fresh))) if (!own.has(path)) moveObject(path, staging, repo);
  for (const commit of commits) {
    const detached = objectPath(commit, 'commitmeta');
    // Signatures are added to it later on, so it takes the place of the one that is there.
    if (existsSync(join(staging, detached))) rename(detached, staging, repo);
    moveObject(objectPath(commit, 'commit'), staging, repo);
  }
}

function moveObject(path: string, staging: string, repo: string): void {
  const there = statSync(join(repo, path), { throwIfNoEntry: false });
  // One of another size is damaged.
  if (there === undefined || there.size !== statSync(join(staging, path)).size) rename(path, staging, repo);
}

function rename(path: string, staging: string, repo: string): void {
  const [from, to] = [join(staging, path), join(repo, path)];
  try {
    renameSync(from, to);
  } catch (error) {
    makeFolderSync(dirname(to));
    if (isErrno(error, 'ENOENT')) renameSync(from, to);
    else if (isErrno(error, 'EXDEV')) renameSync(copied(from, repo), to);
    else throw error;
  }
}

/** Copies into a repository that is mounted, or a link to another file system: ostree tidies up its folder for files under way. */
function copied(from: string, repo: string): string {
  const aside = join(repo, 'tmp', `${basename(from)}.${process.pid}.tmp`);
  makeFolderSync(dirname(aside));
  copyFileSync(from, aside);
  return aside;
}
