import type { PackageFile } from '../../rpm/repository/place-packages.ts';
import type { PublishedNames } from './published-names.ts';

/** Hex digits of a package's SHA-256 that name the folder of one whose plain name is taken. */
const DIGITS = 16;

/**
 * Returns packages under the paths that they can be published by. A name that was published with other bytes stays what it was (C4): a package
 * that was signed since, or signed again by another key, keeps its size and goes into a folder named by its digest,
 * `Packages/b/0123456789abcdef/bash-….rpm`. So clients with the old metadata and with the new one both get what theirs names (C5), on every
 * kind of target and behind every cache.
 * @param published what is known of each place that they go to
 */
export function publishablePaths(
  packages: readonly PackageFile[],
  published: readonly PublishedNames[],
): PackageFile[] {
  return packages.map((one) => {
    const name = one.path.lastIndexOf('/') + 1;
    const aside = `${one.path.slice(0, name)}${one.sha256.slice(0, DIGITS)}/${one.path.slice(name)}`;
    const has = (path: string, wanted: (sha256: string) => boolean): boolean =>
      published.some(({ packages: names }) => {
        const there = names.get(path);
        return there !== undefined && wanted(there);
      });
    const isTaken = has(one.path, (sha256) => sha256 !== one.sha256);
    const isAside = has(aside, (sha256) => sha256 === one.sha256);
    return isTaken || isAside ? { ...one, path: aside } : one;
  });
}
