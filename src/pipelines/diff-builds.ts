import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { StoredBuild } from '../build/build-store.ts';
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
  /** By image type, sizes in bytes. */
  readonly images: Readonly<Record<string, { readonly from?: number; readonly to?: number }>>;
  /** How many files came, went, or changed; undefined when one of the trees is not here as a whole. */
  readonly files?: { readonly added: number; readonly removed: number; readonly changed: number };
  /** What a host on `from` fetches without a static delta: objects, and their bytes as they are transferred. */
  readonly update?: { readonly objects: number; readonly bytes: number };
}

/**
 * Compares two builds.
 * @param repo the local archive repository
 * @throws NightlyError `not-found` when one ended before its depsolve.
 */
export async function diffBuilds(repo: string, from: StoredBuild, to: StoredBuild): Promise<BuildDiff> {
  const pkgdiff = packageDiff(await packagesOf(repo, from), await packagesOf(repo, to));
  const [before, after] = [from.meta['ostree-commit'], to.meta['ostree-commit']];
  const whole = before !== undefined && after !== undefined && [before, after].every((commit) => isWhole(repo, commit));
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
  const kernel = meta['atomic-nightly.compose']?.kernel;
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

async function diffContents(repo: string, from: string, to: string): Promise<Pick<BuildDiff, 'files' | 'update'>> {
  const read = localObjects(repo);
  const files = { added: 0, removed: 0, changed: 0 };
  for await (const { path, kind } of diffTrees(from, to, read)) if (!path.endsWith('/')) files[kind] += 1;
  const update = { objects: 0, bytes: 0 };
  for await (const { path } of walkNew(to, from, { readNew: read, readOld: read })) {
    update.objects += 1;
    update.bytes += (await stat(join(repo, path))).size;
  }
  return { files, update };
}

function isWhole(repo: string, commit: string): boolean {
  const partial = join(repo, 'state', `${commit}.commitpartial`);
  return existsSync(join(repo, objectPath(commit, 'commit'))) && !existsSync(partial);
}

async function packagesOf(repo: string, { paths, meta }: StoredBuild): Promise<readonly PackageId[]> {
  if (existsSync(paths.lockfile)) return lockedPackages(await readLockfile(paths.lockfile));
  const commit = meta['ostree-commit'];
  const packages = commit === undefined ? undefined : (await readCommit(repo, commit)).packages;
  if (packages) return packages;
  throw new NightlyError(
    'not-found',
    `Build ${meta.buildid} (${meta['atomic-nightly.state']}) has no lockfile: it ended before its depsolve.`,
    { hint: 'Choose builds that "atomic-nightly list" shows with a commit.' },
  );
}
