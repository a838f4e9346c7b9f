import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { StoredBuild } from '../build/build-store.ts';
import { filezSize } from '../ostree/filez.ts';
import { isWhole } from '../ostree/local-repo.ts';
import { localObjects, objectPath, readCommit } from '../ostree/objects.ts';
import { diffTrees } from '../ostree/tree-diff.ts';
import { walkNew } from '../ostree/tree-walk.ts';
import { type PackageId, readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages, type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';

/** What differs between two builds, of whatever streams. */
export interface BuildDiff {
  readonly from: string;
  readonly to: string;
  readonly pkgdiff: PackageDiff;
  /** Versions; left out where a build has none. */
  readonly kernel: { readonly from?: string; readonly to?: string };
  /** Sizes in bytes, keyed by image type. */
  readonly images: Readonly<Record<string, { readonly from?: number; readonly to?: number }>>;
  /** How many files came, went, or changed; undefined when one of the trees is not here as a whole. */
  readonly files?: { readonly added: number; readonly removed: number; readonly changed: number };
  /** The same by folder, those with most changes first; sizes are of the files themselves. */
  readonly folders?: readonly FolderChange[];
  /** What a host on `from` fetches without a static delta: objects, and their bytes as they are transferred. */
  readonly update?: { readonly objects: number; readonly bytes: number };
}

/** What changed in the files below a folder. */
export interface FolderChange {
  readonly path: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Bytes that the files which differ have more, or less. */
  readonly growth: number;
}

/** So many parts of a path are told apart: `/usr/share/doc` is one folder. */
const DEPTH = 3;

/**
 * Compares two builds.
 * @param repo the local archive repository
 * @throws NightlyError `not-found` when one ended before its depsolve.
 */
export async function diffBuilds(repo: string, from: StoredBuild, to: StoredBuild): Promise<BuildDiff> {
  const pkgdiff = packageDiff(await packagesOf(repo, from), await packagesOf(repo, to));
  const [before, after] = [from.meta.ostreeCommit, to.meta.ostreeCommit];
  const whole =
    before !== undefined && after !== undefined && [before, after].every((commit) => isWhole({ path: repo }, commit));
  return {
    from: from.meta.buildid,
    to: to.meta.buildid,
    pkgdiff,
    kernel: { ...kernelOf('from', from), ...kernelOf('to', to) },
    images: imageSizes(from, to),
    ...(whole ? await diffContents(repo, before, after) : {}),
  };
}

function kernelOf<Key extends string>(key: Key, { meta }: StoredBuild): { [K in Key]?: string } {
  const kernel = meta.compose?.kernel;
  return kernel === undefined ? {} : ({ [key]: kernel } as { [K in Key]?: string });
}

function imageSizes(from: StoredBuild, to: StoredBuild): BuildDiff['images'] {
  const [before, after] = [from.meta.images ?? {}, to.meta.images ?? {}];
  const types = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return Object.fromEntries(
    types.map((type) => {
      const [old, next] = [before[type]?.size, after[type]?.size];
      return [type, { ...(old === undefined ? {} : { from: old }), ...(next === undefined ? {} : { to: next }) }];
    }),
  );
}

async function diffContents(
  repo: string,
  from: string,
  to: string,
): Promise<Pick<BuildDiff, 'files' | 'folders' | 'update'>> {
  const read = localObjects(repo);
  const sizeOf = async (object: string | undefined): Promise<number> =>
    object === undefined ? 0 : filezSize(join(repo, objectPath(object, 'filez')));
  const files = { added: 0, removed: 0, changed: 0 };
  const folders = new Map<string, Counted>();
  for await (const { path, kind, from: old, to: next } of diffTrees(from, to, read)) {
    if (path.endsWith('/')) continue;
    files[kind] += 1;
    const at =
      path
        .split('/')
        .slice(0, -1)
        .slice(0, DEPTH + 1)
        .join('/') || '/';
    const counted = folders.get(at) ?? { added: 0, removed: 0, changed: 0, growth: 0 };
    counted[kind] += 1;
    counted.growth += (await sizeOf(next)) - (await sizeOf(old));
    folders.set(at, counted);
  }
  const update = { objects: 0, bytes: 0 };
  for await (const { path } of walkNew(to, from, { readNew: read, readOld: read })) {
    update.objects += 1;
    update.bytes += (await stat(join(repo, path))).size;
  }
  const byFolder = [...folders].map(([path, counted]): FolderChange => ({ path, ...counted }));
  return {
    files,
    folders: byFolder.toSorted((a, b) => changesIn(b) - changesIn(a) || (a.path < b.path ? -1 : 1)),
    update,
  };
}

type Counted = { -readonly [Key in Exclude<keyof FolderChange, 'path'>]: FolderChange[Key] };

const changesIn = ({ added, removed, changed }: FolderChange): number => added + removed + changed;

/** Returns the packages of a build: those it locked, else those of its commit. @throws NightlyError `not-found` when it has neither. */
export async function packagesOf(repo: string, { paths, meta }: StoredBuild): Promise<readonly PackageId[]> {
  const locked = existsSync(paths.lockfile) ? lockedPackages(await readLockfile(paths.lockfile)) : [];
  if (locked.length > 0) return locked;
  const commit = meta.ostreeCommit;
  const packages = commit === undefined ? undefined : (await readCommit(repo, commit)).packages;
  // A tree that others made, of which they said nothing, has none.
  if (packages ?? commit) return packages ?? [];
  throw new NightlyError(
    'not-found',
    `Build ${meta.buildid} (${meta.state}) has no lockfile: it ended before its depsolve.`,
    { hint: 'Choose builds that "atomic-nightly list" shows with a commit.' },
  );
}
