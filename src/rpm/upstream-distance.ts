import { byText } from '../base/by-text.ts';
import { fitsGlob } from '../base/glob.ts';
import { compareEvr, formatEvra } from './evr.ts';
import type { PackageId } from './lockfile.ts';

/** A package that both have, in other versions: `[epoch:]version-release.arch`. */
export interface OtherVersion {
  readonly name: string;
  readonly ours: string;
  readonly upstream: string;
}

/** Returns it in a line: `curl 8.0-1.x86_64, upstream 8.1-1.x86_64`. */
export function otherVersionText({ name, ours, upstream }: OtherVersion): string {
  return `${name} ${ours}, upstream ${upstream}`;
}

/** How far a tree is from another; lists sorted by name. */
export interface UpstreamDistance {
  /** Only upstream has them: `name-evra`. */
  readonly missing: readonly string[];
  /** Ours is older. */
  readonly older: readonly OtherVersion[];
  readonly newer: readonly OtherVersion[];
  /** Only ours has them: `name-evra`. */
  readonly extra: readonly string[];
  /** Versions of what matters most to hosts: `version-release`; there where either has it. */
  readonly kernel?: Sides;
  readonly ostree?: Sides;
}

/** Names that one side has and the other has not; each list sorted. */
export interface OnlyOneSide {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** What may be known of a distance beside the packages. */
interface FeatureDistance {
  readonly units?: OnlyOneSide;
  readonly users?: OnlyOneSide;
}

interface Sides {
  readonly ours?: string;
  readonly upstream?: string;
}

const KERNELS = ['kernel-core', 'kernel'];

/**
 * Compares the newest version of each package by name: what else is installed beside it, and for which other architecture, is no
 * difference in features.
 * @param ignore names with `*` and `?` that are left out
 */
export function upstreamDistance(
  ours: readonly PackageId[],
  upstream: readonly PackageId[],
  ignore: readonly string[],
): UpstreamDistance {
  const [mine, theirs] = [newestByName(ours), newestByName(upstream)];
  const names = [...new Set([...mine.keys(), ...theirs.keys()])]
    .filter((name) => !ignore.some((pattern) => fitsGlob(pattern, name)))
    .sort(byText);
  const [missing, extra]: [string[], string[]] = [[], []];
  const [older, newer]: [OtherVersion[], OtherVersion[]] = [[], []];
  for (const name of names) {
    const [own, other] = [mine.get(name), theirs.get(name)];
    if (!own && other) missing.push(`${name}-${formatEvra(other)}`);
    else if (own && !other) extra.push(`${name}-${formatEvra(own)}`);
    else if (own && other) {
      const order = compareEvr(own, other);
      const both = { name, ours: formatEvra(own), upstream: formatEvra(other) };
      if (order < 0) older.push(both);
      else if (order > 0) newer.push(both);
    }
  }
  const sides = (wanted: readonly string[]): Sides | undefined => {
    const [own, other] = [mine, theirs].map((all) => wanted.flatMap((name) => all.get(name) ?? [])[0]);
    if (!own && !other) return undefined;
    return { ...(own && { ours: versionOf(own) }), ...(other && { upstream: versionOf(other) }) };
  };
  const [kernel, ostree] = [sides(KERNELS), sides(['ostree'])];
  return { missing, older, newer, extra, ...(kernel && { kernel }), ...(ostree && { ostree }) };
}

const versionOf = ({ version, release }: PackageId): string => `${version}-${release}`;

function newestByName(packages: readonly PackageId[]): Map<string, PackageId> {
  const newest = new Map<string, PackageId>();
  for (const one of packages) {
    const known = newest.get(one.name);
    // Components that others made have versions without an order.
    if (one.arch !== '' && (!known || compareEvr(one, known) > 0)) newest.set(one.name, one);
  }
  return newest;
}

/**
 * Returns it in a line: `2 missing, 3 older, 14 newer, 5 extra; kernel 5.14.0-1 against 5.14.0-3; enabled units: 1 missing`. What is
 * equal is left out, but for the packages.
 */
export function distanceText(distance: UpstreamDistance & FeatureDistance): string {
  const { missing, older, newer, extra, kernel, ostree, units, users } = distance;
  const counted = (lists: Readonly<Record<string, readonly string[] | readonly OtherVersion[]>>, all: boolean) =>
    Object.entries(lists)
      .filter(([, list]) => all || list.length > 0)
      .map(([word, list]) => `${list.length} ${word}`)
      .join(', ');
  const versions = Object.entries({ kernel, ostree }).flatMap(([name, sides]) =>
    sides === undefined || sides.ours === sides.upstream
      ? []
      : [`${name} ${sides.ours ?? 'none'} against ${sides.upstream ?? 'none'}`],
  );
  const features = Object.entries({ 'enabled units': units, users }).flatMap(([what, sides]) => {
    const counts = sides ? counted({ missing: sides.missing, extra: sides.extra }, false) : '';
    return counts === '' ? [] : [`${what}: ${counts}`];
  });
  return [counted({ missing, older, newer, extra }, true), ...versions, ...features].join('; ');
}
