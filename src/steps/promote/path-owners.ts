import type { Task } from '../../base/task.ts';
import { packageFilesOf } from '../../ostree/package-files.ts';
import type { PathChange } from '../../ostree/tree-diff.ts';
import { type Lockfile, lockedEntries } from '../../rpm/lockfile.ts';

/** A path that differs between two trees, with the package that owns it, where one does. */
export interface OwnedChange extends PathChange {
  readonly owner?: string;
}

/**
 * Names the package that each path belongs to, among those of one commit.
 * @param tree.dir made anew, removed afterwards
 * @throws NightlyError `ostree` when the commit has no rpm database here.
 */
export async function withOwners(
  tree: { readonly repo: string; readonly commit: string; readonly lockfile: Lockfile; readonly dir: string },
  changes: readonly PathChange[],
  task: Task,
): Promise<OwnedChange[]> {
  if (changes.length === 0) return [];
  const { repo, commit, lockfile, dir } = tree;
  const names = lockedEntries(lockfile).map(({ name }) => name);
  const files = await packageFilesOf({ repo, checksum: commit, names }, dir, task);
  const owner = new Map<string, string>();
  for (const [name, paths] of files)
    for (const path of paths) for (const place of placesOf(path)) owner.set(place, name);
  return changes.map((change) => {
    const name = owner.get(change.path);
    return name === undefined ? change : { ...change, owner: name };
  });
}

/**
 * Returns where a package's path ends up in an OSTree tree; a folder is told from a file by nobody here, so both forms.
 */
export function placesOf(path: string): string[] {
  const moved = path
    .replace(/^\/(bin|sbin|lib|lib64)(?=\/)/, '/usr/$1')
    .replace(/^\/etc(?=\/|$)/, '/usr/etc')
    .replace(/^\/opt(?=\/|$)/, '/usr/lib/opt')
    .replace(/^\/var\/lib\/(alternatives|vagrant)(?=\/|$)/, '/usr/lib/$1')
    .replace(/^\/boot(?=\/|$)/, '/usr/lib/ostree-boot');
  return [moved, `${moved}/`];
}
