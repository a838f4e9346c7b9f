import { advisoriesWithin, type FixedAdvisory } from '../rpm/fixed-advisories.ts';
import type { PackageDiff } from '../rpm/pkgdiff.ts';
import type { BuildMeta } from './build-record.ts';

/** What is known of the advisories between two builds. */
export interface AdvisoriesSince {
  readonly advisories: readonly FixedAdvisory[];
  /** Whether any build between has a record of advisories. */
  readonly known: boolean;
  /** Repositories whose updateinfo one of the builds could not read. */
  readonly unread: readonly string[];
  /** The commit whose record is not at hand, so that what was fixed up to it is not known; undefined where none is missing. */
  readonly gap?: string;
}

/**
 * Collects the advisories that a build brings to hosts of an earlier one, from the records of the builds between: each has those
 * of its own changes, and follows the commit of the one before.
 * @param about.since undefined: there is nothing before it, and so nothing that was fixed
 * @param about.diff package changes between the two, which may be less than all the builds changed
 * @param builds records of all builds that are known
 */
export function advisoriesSince(
  {
    build,
    since,
    diff,
  }: { readonly build: BuildMeta; readonly since: BuildMeta | undefined; readonly diff: PackageDiff },
  builds: readonly BuildMeta[],
): AdvisoriesSince {
  if (since === undefined) return { advisories: [], known: false, unread: [] };
  const byCommit = new Map(builds.map((one) => [one.ostreeCommit, one]));
  // What a release was promoted from is the same for nights, which follow their own ref.
  const ends = new Set([since.ostreeCommit, since.promotion?.commit]);
  const found: BuildMeta[] = [];
  let gap: string | undefined;
  const seen = new Set<string>();
  for (let at: string | undefined = build.ostreeCommit; at !== undefined && !ends.has(at) && !seen.has(at); ) {
    seen.add(at);
    const meta = at === build.ostreeCommit ? build : byCommit.get(at);
    if (meta === undefined) {
      gap = at;
      break;
    }
    found.push(meta);
    at = meta.parent;
  }
  const all = found.flatMap(({ advisories = [] }) => advisories);
  return {
    advisories: advisoriesWithin(diff, all),
    known: found.some(({ advisories }) => advisories !== undefined),
    unread: [...new Set(found.flatMap(({ advisoriesUnread = [] }) => advisoriesUnread))],
    ...(gap === undefined ? {} : { gap }),
  };
}
