import { compareEvr, type Evra, formatEvra } from './evr.ts';
import type { PackageId } from './lockfile.ts';
import type { RepoContent } from './repodata.ts';

/** A package that is newer in the repositories than in a build. */
export interface NewerPackage {
  readonly name: string;
  /** `[epoch:]version-release.arch` */
  readonly from: string;
  readonly to: string;
}

/** What the repositories have since. */
export interface UpdatesSince {
  /** Security advisories for packages of the build, of the repositories that have updateinfo. */
  readonly advisories: readonly {
    readonly id: string;
    readonly severity?: string;
    readonly title: string;
    readonly cves: readonly string[];
    readonly packages: readonly NewerPackage[];
  }[];
  /** Newer packages of the repositories that have none, where nobody can tell which are security updates. */
  readonly newer: readonly NewerPackage[];
  /** Repositories that have updateinfo, and those that have not. */
  readonly withUpdateinfo: readonly string[];
  readonly withoutUpdateinfo: readonly string[];
}

/** Finds security updates for a build's packages: by updateinfo where a repository has it, else by newer versions. */
export function updatesSince(packages: readonly PackageId[], repositories: readonly RepoContent[]): UpdatesSince {
  const byName = new Map(packages.map((one) => [one.name, one]));
  const advisories = repositories.flatMap(({ advisories: all = [] }) =>
    all
      .filter(({ type }) => type === 'security')
      .flatMap(({ id, severity, title, cves, packages: fixed }) => {
        const found = newest(
          fixed.map((one) => ({ name: one.name, id: one })),
          byName,
        );
        if (found.length === 0) return [];
        return [{ id, ...(severity === undefined ? {} : { severity }), title, cves, packages: found }];
      }),
  );
  const without = repositories.filter((one) => one.advisories === undefined);
  return {
    // The same advisory may be in several repositories.
    advisories: [...new Map(advisories.map((one) => [one.id, one])).values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    newer: newest(
      without.flatMap((one) => one.packages),
      byName,
    ),
    withUpdateinfo: repositories.filter((one) => one.advisories !== undefined).map(({ id }) => id),
    withoutUpdateinfo: without.map(({ id }) => id),
  };
}

/** Returns, for each package of the build, the newest candidate that is newer, by name. */
function newest(
  candidates: readonly { readonly name: string; readonly id: Evra }[],
  byName: ReadonlyMap<string, PackageId>,
): NewerPackage[] {
  const found = new Map<string, { readonly from: PackageId; readonly to: Evra }>();
  for (const { name, id } of candidates) {
    const from = byName.get(name);
    // A package may become noarch or cease to be; another architecture's is not for this tree.
    if (!from || (id.arch !== from.arch && id.arch !== 'noarch' && from.arch !== 'noarch')) continue;
    const best = found.get(name)?.to ?? from;
    if (compareEvr(id, best) > 0) found.set(name, { from, to: id });
  }
  return [...found]
    .map(([name, { from, to }]) => ({ name, from: formatEvra(from), to: formatEvra(to) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
