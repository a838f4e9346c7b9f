import { join } from 'node:path';
import { asNightlyError } from '../base/as-nightly-error.ts';
import type { Task } from '../base/task.ts';
import type { StoredBuild } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { type ChangelogEntry, newerEntries, rpmChangelog } from '../rpm/changelog.ts';
import { rpmFileName } from '../rpm/evr.ts';
import type { DiffPackage, PackageDiff } from '../rpm/pkgdiff.ts';
import { readRepoChangelogs } from '../rpm/repodata.ts';
import { cachedRpms } from '../rpm/rpm-cache.ts';
import { treefileOfBuild } from '../run/build-treefile.ts';
import { treefileRepos } from '../treefile/treefile-repos.ts';

/** What an upgraded package's changelog says of the upgrade. */
export interface PackageChangelog {
  readonly name: string;
  /** `[epoch:]version-release.arch` */
  readonly from: string;
  readonly to: string;
  /**
   * `since`: those since the older package; `newest`: only the newest entry, for the older package is not at hand; `unknown`: the
   * newer one is not at hand, neither in the compose cache nor in the repositories.
   */
  readonly known: 'since' | 'newest' | 'unknown';
  /** Newest first. */
  readonly entries: readonly ChangelogEntry[];
}

/** The changelogs of a package diff, and what could not be asked. */
export interface FoundChangelogs {
  readonly packages: readonly PackageChangelog[];
  /** Why repositories could not be asked for packages that the compose cache has not; undefined where all were, or none had to. */
  readonly unasked?: string;
}

/**
 * Finds what the changelogs of upgraded packages say of the upgrade: in the RPM files of the compose caches, else in the
 * `other` metadata of the repositories that the build was composed from.
 * @param diff package changes, of which the upgrades count
 */
export async function findChangelogs(
  config: Config,
  build: StoredBuild,
  diff: PackageDiff,
  task: Task,
): Promise<FoundChangelogs> {
  const upgrades = diff.flatMap(([name, kind, { PreviousPackage: from, NewPackage: to }]) =>
    kind === 2 && from && to && to[2] !== '' ? [{ name, from: evraOf(from), to: evraOf(to) }] : [],
  );
  const wanted = new Set(upgrades.flatMap(({ name, from, to }) => [`${name}-${from}`, `${name}-${to}`]));
  const known = await fromCaches(config, wanted);
  const missing = new Set([...wanted].filter((nevra) => !known.has(nevra)));
  let unasked: string | undefined;
  if (missing.size > 0) {
    try {
      for (const [nevra, entries] of await fromRepositories(config, build, missing, task)) known.set(nevra, entries);
    } catch (error) {
      task.signal.throwIfAborted();
      unasked = asNightlyError(error).message;
    }
  }
  const packages = upgrades.map(({ name, from, to }): PackageChangelog => {
    const [before, now] = [known.get(`${name}-${from}`), known.get(`${name}-${to}`)];
    const how = now === undefined ? 'unknown' : before === undefined ? 'newest' : 'since';
    return { name, from, to, known: how, entries: newerEntries(now ?? [], before) };
  });
  return unasked === undefined ? { packages } : { packages, unasked };
}

const evraOf = ([, evr, arch]: DiffPackage): string => `${evr}.${arch}`;

/** Files of any stream will do: a name with version and architecture is one package. Keyed by NEVRA. */
async function fromCaches(
  { work, streams }: Config,
  wanted: ReadonlySet<string>,
): Promise<Map<string, readonly ChangelogEntry[]>> {
  const found = new Map<string, readonly ChangelogEntry[]>();
  for (const stream of Object.keys(streams)) {
    const files = await cachedRpms(join(work, 'cache', stream));
    for (const nevra of wanted) {
      const [path] = files.get(fileOf(nevra)) ?? [];
      if (path !== undefined && !found.has(nevra)) found.set(nevra, await rpmChangelog(path));
    }
  }
  return found;
}

/** @param nevra `name-[epoch:]version-release.arch` */
function fileOf(nevra: string): string {
  const at = nevra.lastIndexOf('-', nevra.lastIndexOf('-') - 1);
  return rpmFileName(nevra.slice(0, at), nevra.slice(at + 1));
}

async function fromRepositories(
  config: Config,
  build: StoredBuild,
  missing: ReadonlySet<string>,
  task: Task,
): Promise<Map<string, readonly ChangelogEntry[]>> {
  const treefile = await treefileOfBuild(config, build);
  if (treefile === undefined) return new Map();
  const repos = await treefileRepos(treefile, { locked: true });
  const all = await Promise.all(repos.map((repo) => readRepoChangelogs(repo, missing, task)));
  return new Map(all.flatMap((one) => [...one]));
}
