import type { Task } from '../../base/task.ts';
import { localObjects } from '../../ostree/objects.ts';
import { diffTrees, type PathChange } from '../../ostree/tree-diff.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { type OwnedChange, withOwners } from '../promote/path-owners.ts';
import type { PublishedBuild } from './published-build.ts';
import { type PullTo, pullWhole } from './published-commit.ts';

/**
 * Compares the published tree with the one that was composed here, path by path (I10). Owners are those of the tree that was
 * made here: nobody here knows who made the other's database of packages.
 * @returns what differs, that of packages first
 */
export async function comparePublished(
  build: PublishedBuild,
  here: PullTo & { readonly commit: string; readonly lockfile: Lockfile; readonly dir: string },
  task: Task,
): Promise<readonly OwnedChange[]> {
  await pullWhole(build, here, task);
  const changes: PathChange[] = [];
  const found = diffTrees(build.commit, here.commit, localObjects(here.repo));
  for await (const { path, kind } of found) changes.push({ path, kind });
  const owned = await withOwners(here, changes, task);
  const ofPackages = owned.filter(({ owner }) => owner !== undefined);
  task.say(`${changes.length} paths differ, ${ofPackages.length} of them of packages`);
  return [...ofPackages, ...owned.filter(({ owner }) => owner === undefined)];
}
