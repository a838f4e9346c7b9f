import { asNightlyError } from '../base/as-nightly-error.ts';
import type { Task } from '../base/task.ts';
import type { StoredBuild } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages } from '../rpm/pkgdiff.ts';
import { readRepoContent } from '../rpm/repodata.ts';
import { type UpdatesSince, updatesSince } from '../rpm/updates.ts';
import { treefileOfBuild } from '../run/build-treefile.ts';
import { treefileRepos } from '../treefile/treefile-repos.ts';

/** What the repositories have since a build; or why that cannot be told. */
export type FoundUpdates = UpdatesSince | { readonly unknown: string };

/** Looks into the repositories that a build was composed from. Undefined for a build without a lockfile or treefile. */
export async function findUpdates(config: Config, build: StoredBuild, task: Task): Promise<FoundUpdates | undefined> {
  const { meta, paths } = build;
  if (meta.ostreeCommit === undefined) return undefined;
  try {
    const treefile = await treefileOfBuild(config, build);
    if (treefile === undefined) return undefined;
    const repos = await treefileRepos(treefile, { locked: false });
    const contents = await Promise.all(repos.map((repo) => readRepoContent(repo, task)));
    return updatesSince(lockedPackages(await readLockfile(paths.lockfile)), contents);
  } catch (error) {
    task.signal.throwIfAborted();
    return { unknown: asNightlyError(error).message };
  }
}
