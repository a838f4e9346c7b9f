import { byText } from '../base/by-text.ts';
import { compareEvr, parseNevra } from './evr.ts';
import type { PackageId } from './lockfile.ts';
import type { OtherVersion, UpstreamDistance } from './upstream-distance.ts';

/** A source package some of whose packages differ; names of packages, each list sorted. */
export interface SourceDifference {
  readonly name: string;
  /** Its `version-release` on either side, as far as that is known. */
  readonly ours?: string;
  readonly upstream?: string;
  readonly missing: readonly string[];
  readonly older: readonly string[];
  readonly newer: readonly string[];
  readonly extra: readonly string[];
}

/** A package with the file name of its source package, where that is known. */
export interface BuiltFrom extends Pick<PackageId, 'name'> {
  readonly source?: string | undefined;
}

const WORDS = ['missing', 'older', 'newer', 'extra'] as const;

/** Which source package each package of a side is made from, and the newest version of each source package there. */
interface Sources {
  readonly byPackage: ReadonlyMap<string, string>;
  readonly versions: ReadonlyMap<string, PackageId>;
}

/**
 * Groups differences by the source packages that the packages are made from: ten packages of one that is older are one thing to do.
 * Those whose source package neither side tells are left out. Sorted by name.
 */
export function bySource(
  { missing, older, newer, extra }: UpstreamDistance,
  ours: readonly BuiltFrom[],
  upstream: readonly BuiltFrom[],
): SourceDifference[] {
  const [mine, theirs] = [sourcesOf(ours), sourcesOf(upstream)];
  const named = (nevras: readonly string[]) => nevras.flatMap((one) => parseNevra(one)?.name ?? []);
  const both = (all: readonly OtherVersion[]) => all.map(({ name }) => name);
  const names = { missing: named(missing), older: both(older), newer: both(newer), extra: named(extra) };
  const groups = new Map<string, Record<(typeof WORDS)[number], string[]>>();
  for (const word of WORDS) {
    for (const name of names[word]) {
      const source = mine.byPackage.get(name) ?? theirs.byPackage.get(name);
      if (source === undefined) continue;
      const group = groups.get(source) ?? { missing: [], older: [], newer: [], extra: [] };
      groups.set(source, group);
      group[word].push(name);
    }
  }
  return [...groups]
    .map(([name, lists]): SourceDifference => {
      const [own, other] = [mine.versions.get(name), theirs.versions.get(name)];
      return {
        name,
        ...(own && { ours: `${own.version}-${own.release}` }),
        ...(other && { upstream: `${other.version}-${other.release}` }),
        ...lists,
      };
    })
    .sort((a, b) => byText(a.name, b.name));
}

function sourcesOf(packages: readonly BuiltFrom[]): Sources {
  const byPackage = new Map<string, string>();
  const versions = new Map<string, PackageId>();
  for (const { name, source = '' } of packages) {
    const parsed = parseNevra(source.replace(/\.rpm$/, ''));
    if (!parsed) continue;
    byPackage.set(name, parsed.name);
    const known = versions.get(parsed.name);
    if (!known || compareEvr(parsed, known) > 0) versions.set(parsed.name, parsed);
  }
  return { byPackage, versions };
}

/** Returns it in a line: `curl (upstream 8.1-1.el9): missing curl, libcurl`. */
export function sourceLine({ name, ours, upstream, ...lists }: SourceDifference): string {
  const versions = [ours, upstream && `upstream ${upstream}`].filter((one) => one !== undefined && one !== '');
  const words = WORDS.flatMap((word) => (lists[word].length === 0 ? [] : [`${word} ${lists[word].join(', ')}`]));
  return `${name}${versions.length === 0 ? '' : ` (${versions.join(', ')})`}: ${words.join('; ')}`;
}
