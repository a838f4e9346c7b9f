import { byText } from '../base/by-text.ts';
import { oneLine } from '../base/one-line.ts';
import { compareEvr, type Evra, formatEvra, parseEvra } from './evr.ts';
import type { DiffPackage, PackageDiff } from './pkgdiff.ts';
import type { Advisory } from './updateinfo.ts';

/** An advisory that package changes bring to hosts. */
export interface FixedAdvisory {
  readonly id: string;
  /** `security`, `bugfix`, `enhancement`, … */
  readonly type: string;
  /** The repository's word: `Important`. */
  readonly severity?: string;
  readonly title: string;
  readonly cves: readonly string[];
  /** The upgraded packages that it is about, by name. Versions are `[epoch:]version-release.arch`. */
  readonly packages: readonly FixedPackage[];
}

/** An upgraded package, and the version that the advisory names. */
export interface FixedPackage {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly fixed: string;
}

interface Upgrade {
  readonly from: Evra;
  readonly to: Evra;
}

/** Titles are somebody's sentence, not a text. */
const LONGEST_TITLE = 300;

/**
 * Returns the advisories that package changes bring: those with a version newer than what was there, up to what is there now. A
 * build that skips versions brings what was fixed between as well. Packages that are new to the tree had nothing to be fixed.
 * @returns sorted by id, each once though several repositories have it
 */
export function fixedAdvisories(diff: PackageDiff, advisories: readonly Advisory[]): FixedAdvisory[] {
  const upgrades = upgradesOf(diff);
  const found = new Map<string, FixedAdvisory>();
  for (const { id, type, severity, title, cves, packages: all } of advisories) {
    const packages = new Map<string, FixedPackage>(found.get(id)?.packages.map((one) => [one.name, one]));
    const before = packages.size;
    for (const { name, ...fixed } of all) {
      const upgrade = upgrades.get(name)?.find((one) => brings(one, fixed));
      if (upgrade) {
        const { from, to } = upgrade;
        packages.set(name, { name, from: formatEvra(from), to: formatEvra(to), fixed: formatEvra(fixed) });
      }
    }
    if (packages.size === before) continue;
    const sorted = [...packages.values()].toSorted((a, b) => byText(a.name, b.name));
    found.set(id, {
      id: harmless(id),
      type: harmless(type),
      ...(severity === undefined ? {} : { severity: harmless(severity) }),
      title: harmless(title),
      cves: [...new Set(cves.map(harmless))].toSorted(byText),
      packages: sorted,
    });
  }
  return [...found.values()].toSorted((a, b) => byText(a.id, b.id));
}

/** Returns those of some advisories that lie within package changes, with the versions of these. */
export function advisoriesWithin(diff: PackageDiff, advisories: readonly FixedAdvisory[]): FixedAdvisory[] {
  return fixedAdvisories(
    diff,
    advisories.map(({ packages, ...about }) => ({
      ...about,
      packages: packages.flatMap(({ name, fixed }) => {
        const id = parseEvra(fixed);
        return id ? [{ name, ...id }] : [];
      }),
    })),
  );
}

function upgradesOf(diff: PackageDiff): Map<string, Upgrade[]> {
  const upgrades = new Map<string, Upgrade[]>();
  for (const [name, kind, { PreviousPackage: before, NewPackage: now }] of diff) {
    const [from, to] = [before && idOf(before), now && idOf(now)];
    if (kind === 2 && from && to) upgrades.set(name, [...(upgrades.get(name) ?? []), { from, to }]);
  }
  return upgrades;
}

/** Undefined for a component, which has neither release nor architecture. */
const idOf = ([, evr, arch]: DiffPackage): Evra | undefined => parseEvra(`${evr}.${arch}`);

function brings({ from, to }: Upgrade, fixed: Evra): boolean {
  return fixed.arch === to.arch && compareEvr(fixed, from) > 0 && compareEvr(fixed, to) <= 0;
}

const harmless = (text: string): string => oneLine(text).trim().slice(0, LONGEST_TITLE);

/** The severities that vendors write, most urgent first; what has another, or none, comes last. */
const SEVERITIES = ['critical', 'important', 'high', 'moderate', 'medium', 'low'];

const TYPES = ['security', 'bugfix', 'enhancement'];

/** Returns how many there are, in words: `security: 1 critical, 3 important; bugfix: 2`; undefined where there is none. */
export function summarizeAdvisories(advisories: readonly FixedAdvisory[]): string | undefined {
  const types = [...new Set(advisories.map(({ type }) => type))].toSorted(byPlaceIn(TYPES));
  const parts = types.map((type) => {
    const all = advisories.filter((one) => one.type === type);
    return `${type}: ${type === 'security' ? bySeverity(all) : all.length}`;
  });
  return parts.length === 0 ? undefined : parts.join('; ');
}

/** Returns only what is about security, in the same words; undefined where nothing is. */
export function summarizeSecurity(advisories: readonly FixedAdvisory[]): string | undefined {
  return summarizeAdvisories(advisories.filter(({ type }) => type === 'security'));
}

function bySeverity(advisories: readonly FixedAdvisory[]): string {
  const counts = new Map<string, number>();
  for (const one of advisories) counts.set(severityOf(one), (counts.get(severityOf(one)) ?? 0) + 1);
  const order = [...counts.keys()].toSorted(byPlaceIn(SEVERITIES));
  return order.map((severity) => `${counts.get(severity)} ${severity}`).join(', ');
}

const severityOf = ({ severity = '' }: FixedAdvisory): string =>
  severity === '' || /^none$/i.test(severity) ? 'unrated' : severity.toLowerCase();

/** Security first, the most urgent first of all, as people want to read them; then by id. */
export function byUrgency(advisories: readonly FixedAdvisory[]): FixedAdvisory[] {
  return advisories.toSorted(
    (a, b) =>
      byPlaceIn(TYPES)(a.type, b.type) || byPlaceIn(SEVERITIES)(severityOf(a), severityOf(b)) || byText(a.id, b.id),
  );
}

function byPlaceIn(order: readonly string[]): (a: string, b: string) => number {
  const place = (one: string): number => {
    const at = order.indexOf(one);
    return at < 0 ? order.length : at;
  };
  return (a, b) => place(a) - place(b) || byText(a, b);
}
