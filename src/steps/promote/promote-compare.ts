import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { PROVENANCE_PATH } from '../../engines/provenance/provenance-format.ts';
import { localObjects } from '../../ostree/objects.ts';
import { packageFilesOf, RPMDB_FOLDERS } from '../../ostree/package-files.ts';
import { diffTrees, type PathChange } from '../../ostree/tree-diff.ts';
import { catFile } from '../../programs/ostree.ts';
import { readLockfile } from '../../rpm/lockfile.ts';
import { lockedPackages, packageDiff } from '../../rpm/pkgdiff.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { type OwnedChange, placesOf, withOwners } from './path-owners.ts';

export interface Compared {
  /** Whether the trees are the same but for what must differ. */
  readonly same: boolean;
  readonly count: number;
  /** The first of them. */
  readonly paths: readonly string[];
}

/** A record need not hold tens of thousands of paths; differences.json has them all. */
const SHOWN = 50;

/**
 * Compares the rebuilt tree with the night's (I10). What may differ is the build id in os-release, the files of packages that
 * were overridden or left out, and what is computed from all packages.
 * @throws NightlyError `verify` when they differ in more and that is not accepted.
 */
export async function promoteCompare(
  project: Project,
  build: Build,
  about: { readonly night: Night; readonly commit: string; readonly contentChecksum: string; readonly accept: boolean },
  task: Task,
): Promise<Compared> {
  const { night, commit, accept } = about;
  if (about.contentChecksum === night.meta.ostreeContentChecksum) {
    task.say(`the tree is that of ${night.id}, byte for byte`);
    return { same: true, count: 0, paths: [] };
  }
  const changes = await unexpectedChanges(project, build, { night, commit }, task);
  if (changes.length === 0) {
    task.say(`the tree is that of ${night.id}, but for what must differ`);
    return { same: true, count: 0, paths: [] };
  }
  await writeJson(join(build.paths.dir, 'differences.json'), changes);
  const lines = changes
    .slice(0, SHOWN)
    .map(({ kind, path, owner }) => `${kind} ${path}${owner === undefined ? '' : ` (${owner})`}`);
  const more = changes.length > SHOWN ? [`and ${changes.length - SHOWN} more`] : [];
  if (accept) {
    task.say(`${changes.length} differences from ${night.id} accepted`);
    return { same: false, count: changes.length, paths: changes.slice(0, SHOWN).map(({ path }) => path) };
  }
  throw new NightlyError(
    'verify',
    `The rebuilt tree differs from that of nightly build ${night.id} in ${changes.length} paths that should be the same:\n${[...lines, ...more].map((line) => `  ${line}`).join('\n')}`,
    {
      hint: `Find out why (${join(build.paths.dir, 'differences.json')} has all). Then "promote ${night.id} --accept-differences", or "--recommit" to keep the tree of the nightly build.`,
      log: task.logFile,
    },
  );
}

async function unexpectedChanges(
  project: Project,
  build: Build,
  { night, commit }: { readonly night: Night; readonly commit: string },
  task: Task,
): Promise<OwnedChange[]> {
  const { repo, treefile } = project;
  const changes: PathChange[] = [];
  for await (const { path, kind } of diffTrees(night.commit, commit, localObjects(repo))) changes.push({ path, kind });
  const owners = await ownersOfChanged(project, build, { night, commit }, task);
  const found: PathChange[] = [];
  for (const change of changes) {
    const { path } = change;
    if (owners.size > 0 && (owners.has(path) || isDerived(path))) continue;
    // Package changes aside, a new build id may be where the treefile wants it.
    if (
      treefile?.values['mutate-os-release'] !== undefined &&
      (await onlyIdDiffers({ repo, path, night, commit }, build, task))
    )
      continue;
    found.push(change);
  }
  const lockfile = await readLockfile(build.paths.lockfile);
  return withOwners({ repo, commit, lockfile, dir: join(build.paths.scratch, 'rpmdb') }, found, task);
}

/** Paths in the tree that packages which changed own, before or after. */
async function ownersOfChanged(
  { repo }: Project,
  build: Build,
  { night, commit }: { readonly night: Night; readonly commit: string },
  task: Task,
): Promise<ReadonlySet<string>> {
  const after = lockedPackages(await readLockfile(build.paths.lockfile));
  const names = packageDiff(lockedPackages(night.lockfile), after).map(([name]) => name);
  const found = new Set<string>();
  for (const checksum of [night.commit, commit]) {
    const files = await packageFilesOf({ repo, checksum, names }, join(build.paths.scratch, 'rpmdb'), task);
    for (const path of [...files.values()].flat()) for (const place of placesOf(path)) found.add(place);
  }
  return found;
}

/** Made of all packages together: rpm's database, caches, the initramfs and what depmod writes, tmpfiles for /var. */
const DERIVED: readonly RegExp[] = [
  ...RPMDB_FOLDERS.map((folder) => new RegExp(`^${folder}/`)),
  /^\/usr\/etc\/ld\.so\.cache$/,
  /^\/usr\/lib\/modules\/[^/]+\/(initramfs\.img|modules\.[^/]+)$/,
  /^\/usr\/lib\/modules\/[^/]+\/$/,
  /^\/usr\/lib\/ostree-boot\//,
  // Names the release package of the stream.
  /^\/usr\/share\/rpm-ostree\/treefile\.json$/,
  // Names every package, and where it comes from.
  new RegExp(`^${PROVENANCE_PATH}$`),
  /^\/usr\/lib\/tmpfiles\.d\/(rpm-ostree-|pkg-)[^/]*\.conf$/,
];

function isDerived(path: string): boolean {
  return DERIVED.some((pattern) => pattern.test(path));
}

/** Whether a file would be the same if the night's id were the new one. */
async function onlyIdDiffers(
  { repo, path, night, commit }: { repo: string; path: string; night: Night; commit: string },
  build: Build,
  task: Task,
): Promise<boolean> {
  if (!/\/os-release$/.test(path)) return false;
  const [before, after] = [await catFile(repo, night.commit, path, task), await catFile(repo, commit, path, task)];
  return before !== undefined && before.replaceAll(night.id, build.id) === after;
}
