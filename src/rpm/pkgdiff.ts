import { byText } from '../base/by-text.ts';
import { NightlyError } from '../base/errors.ts';
import { capital } from '../base/format.ts';
import { compareEvr, parseEvra } from './evr.ts';
import { type Lockfile, lockedEntries, type PackageId } from './lockfile.ts';

/** Name, `[epoch:]version-release`, architecture. */
export type DiffPackage = readonly [name: string, evr: string, arch: string];

/**
 * What changed between two package lists, as rpm-ostree writes it to `pkgdiff` of its composejson and
 * coreos-assembler to meta.json: name, kind (0 added, 1 removed, 2 upgraded, 3 downgraded), and the packages.
 * Sorted by name.
 */
export type PackageDiff = readonly PackageChange[];

export type PackageChange = readonly [
  name: string,
  kind: 0 | 1 | 2 | 3,
  packages: { readonly PreviousPackage?: DiffPackage; readonly NewPackage?: DiffPackage },
];

/** A package that would go back in time. */
export interface Downgrade {
  readonly name: string;
  /** `[epoch:]version-release.arch` */
  readonly from: string;
  readonly to: string;
}

/**
 * Compares two package lists. A package of the same name whose architecture changed counts by its version: upgraded
 * when it is equal.
 */
export function packageDiff(before: readonly PackageId[], after: readonly PackageId[]): PackageDiff {
  const changes: PackageChange[] = [];
  const names = [...new Set([...before, ...after].map(({ name }) => name))].sort();
  const oldByName = byName(before);
  const newByName = byName(after);
  for (const name of names) {
    const { gone, come } = unequal(oldByName.get(name) ?? [], newByName.get(name) ?? []);
    for (const [from, to] of pairs(gone, come)) {
      if (from && to) {
        const kind = isComponent(to) || compareEvr(to, from) >= 0 ? 2 : 3;
        changes.push([name, kind, { PreviousPackage: diffPackage(from), NewPackage: diffPackage(to) }]);
      } else if (to) changes.push([name, 0, { NewPackage: diffPackage(to) }]);
      else if (from) changes.push([name, 1, { PreviousPackage: diffPackage(from) }]);
    }
  }
  return changes;
}

/** Packages of the lockfile that are older than the parent's (I5), by name. */
export function downgrades(parent: readonly PackageId[], lockfile: Lockfile): Downgrade[] {
  return packageDiff(parent, lockedPackages(lockfile)).flatMap(([name, kind, { PreviousPackage, NewPackage }]) =>
    kind === 3 && PreviousPackage && NewPackage
      ? [{ name, from: `${PreviousPackage[1]}.${PreviousPackage[2]}`, to: `${NewPackage[1]}.${NewPackage[2]}` }]
      : [],
  );
}

/**
 * What can become of a package, or of a component (`changed`: whether that went up or down, nobody can tell), in the order of
 * `rpm-ostree db diff`.
 */
export const CHANGE_WORDS = ['upgraded', 'changed', 'downgraded', 'removed', 'added'] as const;

export type ChangeWord = (typeof CHANGE_WORDS)[number];

/** Returns what became of the package of a change. */
export function wordOf([, kind, { NewPackage: to }]: PackageChange): ChangeWord {
  if (kind === 2) return to?.[2] === '' ? 'changed' : 'upgraded';
  return kind === 3 ? 'downgraded' : kind === 1 ? 'removed' : 'added';
}

/** Returns the changes by kind, in the order of `rpm-ostree db diff`; kinds without a change are there, too. */
export function changesByKind(diff: PackageDiff): { readonly word: ChangeWord; readonly changes: PackageDiff }[] {
  return CHANGE_WORDS.map((word) => ({ word, changes: diff.filter((change) => wordOf(change) === word) }));
}

/** What changes are of: one, and many. Components are what a tree has that others made ([any-tree.md]). */
export interface PartNames {
  readonly one: 'package' | 'component' | 'package or component';
  readonly many: 'packages' | 'components' | 'packages and components';
}

/** Returns how to call what changed: packages where there is nothing. */
export function partNames(diff: PackageDiff): PartNames {
  const isPart = ([, , { PreviousPackage: from, NewPackage: to }]: PackageChange): boolean => (to ?? from)?.[2] === '';
  const parts = diff.filter(isPart).length;
  if (parts === 0) return { one: 'package', many: 'packages' };
  if (parts === diff.length) return { one: 'component', many: 'components' };
  return { one: 'package or component', many: 'packages and components' };
}

/** One line: `2 upgraded, 1 added`; `no packages changed` when empty. */
export function summarizeDiff(diff: PackageDiff): string {
  const parts = changesByKind(diff).flatMap(({ word, changes }) =>
    changes.length === 0 ? [] : [`${changes.length} ${word}`],
  );
  return parts.join(', ') || 'no packages changed';
}

/** One line a change, grouped by kind under a title: `Upgraded:`. */
export function formatDiff(diff: PackageDiff): string {
  const groups = changesByKind(diff).flatMap(({ word, changes }) => {
    return changes.length === 0 ? [] : [`${capital(word)}:`, ...changes.map((change) => `  ${changeLine(change)}`)];
  });
  return groups.join('\n') || 'No packages changed.';
}

function changeLine([name, , { PreviousPackage: from, NewPackage: to }]: PackageChange): string {
  if (from && to) return `${name} ${from[1]} -> ${to[1]}${from[2] === to[2] ? '' : ` (${from[2]} -> ${to[2]})`}`;
  const one = from ?? to;
  if (!one) return name;
  return one[2] === '' ? `${name} ${one[1]}` : `${name}-${one[1]}.${one[2]}`;
}

function diffPackage({ name, epoch, version, release, arch }: PackageId): DiffPackage {
  return [name, `${epoch === '0' ? '' : `${epoch}:`}${version}${release === '' ? '' : `-${release}`}`, arch];
}

/** What is not a package, but part of a tree that something else made: its versions may be keys, which have no order. */
const isComponent = ({ arch }: PackageId): boolean => arch === '';

type Pair = readonly [from: PackageId | undefined, to: PackageId | undefined];

/**
 * Returns what became of each package. One of a name on either side is the rule; of several (multilib, parallel kernels) those
 * of one architecture pair up first, then the others, each by order of version.
 */
function pairs(gone: readonly PackageId[], come: readonly PackageId[]): Pair[] {
  const found: Pair[] = [];
  const rest = { gone: [] as PackageId[], come: [...come] };
  for (const from of gone) {
    const at = rest.come.findIndex(({ arch }) => arch === from.arch);
    if (at < 0) rest.gone.push(from);
    else found.push([from, rest.come.splice(at, 1)[0]]);
  }
  for (let index = 0; index < Math.max(rest.gone.length, rest.come.length); index += 1) {
    found.push([rest.gone[index], rest.come[index]]);
  }
  return found;
}

/** Returns what only one side has, each sorted by version. */
function unequal(before: readonly PackageId[], after: readonly PackageId[]) {
  const key = ({ epoch, version, release, arch }: PackageId) => [epoch, version, release, arch].join('\0');
  const beforeKeys = new Set(before.map(key));
  const afterKeys = new Set(after.map(key));
  return {
    gone: before.filter((one) => !afterKeys.has(key(one))).sort(compareEvr),
    come: after.filter((one) => !beforeKeys.has(key(one))).sort(compareEvr),
  };
}

function byName(packages: readonly PackageId[]): Map<string, PackageId[]> {
  const map = new Map<string, PackageId[]>();
  for (const one of packages) map.set(one.name, [...(map.get(one.name) ?? []), one]);
  return map;
}

/**
 * Returns the locked packages by name, as a commit's package list has them. @throws NightlyError `bug` on an impossible
 * EVRA.
 */
export function lockedPackages(lockfile: Lockfile): PackageId[] {
  return lockedEntries(lockfile)
    .map(({ name, evra }) => {
      const parsed = parseEvra(evra);
      if (!parsed) throw new NightlyError('bug', `The lockfile has ${name} at "${evra}", which is no EVRA.`);
      return { name, ...parsed };
    })
    .sort(comparePackages);
}

/** Order of a commit's package list: by name, then architecture; ASCII, as rpm-ostree sorts. */
export function comparePackages(a: PackageId, b: PackageId): number {
  return byText(a.name, b.name) || byText(a.arch, b.arch);
}
