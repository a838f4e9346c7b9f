import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import { parseNevra } from './evr.ts';
import { type PackageId, parseLockfile } from './lockfile.ts';
import { lockedPackages } from './pkgdiff.ts';

/** Lists of distributions have some thousands. */
const MOST_PACKAGES = 200_000;

/** Longer lines are not looked at any closer: no name and version together come near. */
const MOST_CHARACTERS = 1000;

/** Keys that a host trusts: rpm lists them among its packages, without an architecture. */
const IMPORTED_KEY = /^gpg-pubkey-[^\s.]+(\.\(none\))?$/;

/**
 * Reads a list of packages: a NEVRA a line, as `rpm -qa --qf '%{nevra}\n'` prints them, with empty lines and comments after `#`; or the
 * `lockfile.json` that builds publish, which begins with `{`. Keys that rpm lists too are left out, and `(none)` is an epoch of 0.
 * @param place file or URL, for messages
 * @throws NightlyError `usage`, with the line at fault
 */
export function parsePackageList(text: string, place: string): PackageId[] {
  if (text.trimStart().startsWith('{')) return lockedPackages(parseLockfile(text, place));
  const packages: PackageId[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.length > MOST_CHARACTERS ? line : line.replace(/(^|\s)#.*$/, '').trim();
    if (entry === '' || IMPORTED_KEY.test(entry)) continue;
    const found = entry.length > MOST_CHARACTERS ? undefined : parseNevra(entry.replace('-(none):', '-'));
    if (!found || packages.length === MOST_PACKAGES) {
      const why = found ? `has more than ${MOST_PACKAGES} packages` : `is no name-[epoch:]version-release.arch`;
      throw new NightlyError('usage', `${place}:${index + 1}: "${oneLine(entry).slice(0, 120)}" ${why}.`, {
        hint: `Make it with rpm -qa --qf '%{nevra}\\n', or name the lockfile.json of a build.`,
      });
    }
    packages.push(found);
  }
  if (packages.length > 0) return packages;
  throw new NightlyError('usage', `${place} lists no packages.`, {
    hint: 'Correct the address in cycle.upstream.packages.',
  });
}
