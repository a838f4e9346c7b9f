import type { Fault, SourcePlace } from '../base/errors.ts';
import type { Item } from './item.ts';

/**
 * Splits an entry of a package list as rpm-ostree does: at blanks, except between single quotes, which are dropped:
 * `podman 'kernel >= 6.1' nano` is three. An unpaired quote is a fault.
 */
export function splitPackages(entry: string, place: SourcePlace, faults: Fault[]): string[] {
  // Odd pieces stood between quotes.
  const pieces = entry.split("'");
  if (pieces.length % 2 === 0) {
    faults.push({
      place,
      message: `the package entry ${JSON.stringify(entry)} has a single quote without its partner.`,
    });
    return [];
  }
  return pieces.flatMap((piece, index) =>
    index % 2 === 1 ? [piece] : piece.split(/\s+/).filter((word) => word !== ''),
  );
}

/** One entry of `repo-packages`: packages to be taken from one repository only; sorted. */
export interface RepoPackages {
  readonly repo: string;
  readonly packages: readonly string[];
}

/**
 * A package named in several `repo-packages` entries belongs to the last of them; entries left empty go away
 * (rpm-ostree's `handle_repo_packages_overrides`).
 */
export function settleRepoPackages(entries: readonly Item[]): Item[] {
  const taken = new Set<string>();
  return entries
    .toReversed()
    .flatMap((item) => {
      const { repo, packages } = item.value as RepoPackages;
      const left = packages.filter((name) => !taken.has(name));
      for (const name of left) taken.add(name);
      const value: RepoPackages = { repo, packages: left };
      return left.length > 0 ? [{ ...item, value }] : [];
    })
    .reverse();
}
