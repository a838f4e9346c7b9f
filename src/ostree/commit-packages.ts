import type { PackageId } from '../rpm/lockfile.ts';
import { asArray, asString, type Variant, type VariantValue } from './gvariant.ts';

/**
 * What a commit says its tree is made of: lists of name, epoch, version, release and architecture, in the form of rpm-ostree's
 * package list (rpmostree-package.cxx). RPM packages are under its own key, which `rpm-ostree db diff` reads on hosts; Debian
 * packages and reported components, which it must not take for RPMs, under ours.
 */
const PACKAGES = 'rpmostree.rpmdb.pkglist';
const OTHERS = 'atomic-nightly.components';
const TYPE = 'a(sssss)';

/** What a tree is made of; undefined where nobody says. */
export interface TreeContents {
  readonly packages?: readonly PackageId[] | undefined;
  readonly others?: readonly PackageId[] | undefined;
}

/** Returns the lists as metadata of a commit, in the order given: by name. */
export function packageLists({ packages, others }: TreeContents): Record<string, Variant> {
  return {
    ...(packages && { [PACKAGES]: listOf(packages) }),
    ...(others && { [OTHERS]: listOf(others) }),
  };
}

function listOf(packages: readonly PackageId[]): Variant {
  const tuples = packages.map(({ name, epoch, version, release, arch }) => [name, epoch, version, release, arch]);
  return { type: TYPE, value: tuples };
}

/** Returns the packages that a commit's metadata lists, then the others; undefined where it has neither list. */
export function listedPackages(metadata: ReadonlyMap<string, Variant>): PackageId[] | undefined {
  const lists = [PACKAGES, OTHERS].flatMap((key) => {
    const variant = metadata.get(key);
    return variant?.type === TYPE ? [entriesOf(variant.value)] : [];
  });
  return lists.length === 0 ? undefined : lists.flat();
}

function entriesOf(value: VariantValue): PackageId[] {
  return asArray(value).map((entry) => {
    const [name, epoch, version, release, arch] = asArray(entry).map(asString);
    return { name: name ?? '', epoch: epoch ?? '0', version: version ?? '', release: release ?? '', arch: arch ?? '' };
  });
}
