import { byText } from '../base/by-text.ts';
import { type ControlFields, type DebianOperator, parseRelations, type Relation } from './control.ts';
import { evrOfDebianVersion, formatEvr } from './version.ts';

/** A package's relations as lines of a spec file (`Requires: …`), sorted, each once. */
export interface RpmRelations {
  readonly requires: readonly string[];
  readonly recommends: readonly string[];
  readonly provides: readonly string[];
  readonly conflicts: readonly string[];
  readonly obsoletes: readonly string[];
}

const OPERATORS: Readonly<Record<DebianOperator, string>> = { '<<': '<', '<=': '<=', '=': '=', '>=': '>=', '>>': '>' };

/** Newer than what any `Conflicts` asks about. */
const ANY_VERSION = '9999:0-0';

/**
 * Maps a Debian package's dependency fields to RPM's.
 *
 * - `Depends` and `Pre-Depends` are `Requires`, `a | b` is RPM's boolean `(a or b)`.
 * - A dependency one of whose alternatives is in `absent` (Debian's own machinery, which the lab replaces or does
 *   without) is dropped.
 * - `Conflicts` and `Breaks` are `Conflicts`.
 * - `Provides` keeps versions; without one, `ANY_VERSION` is given. In RPM a name provided without a version matches
 *   every versioned relation, in Debian none: `Conflicts: resolvconf (<< 1.83)` would hit whatever provides resolvconf.
 * - A name that the package provides, conflicts with and replaces is what it renames or
 *   succeeds: `Obsoletes`. `Replaces` alone only lets dpkg overwrite files; RPM has no such thing and needs none, as
 *   files moved from another package come with a `Breaks` on its old version.
 */
export function rpmRelations(fields: ControlFields, absent: ReadonlySet<string>): RpmRelations {
  const wanted = (field: string): readonly string[] =>
    parseRelations(fields.get(field))
      .filter((alternatives) => !alternatives.some(({ name }) => absent.has(name)))
      .map(rpmAlternatives);
  const flat = (field: string): readonly Relation[] => parseRelations(fields.get(field)).flat();
  const self = fields.get('Package');
  const conflicting = [...flat('Conflicts'), ...flat('Breaks')].filter(({ name }) => name !== self);
  const names = (relations: readonly Relation[]): ReadonlySet<string> => new Set(relations.map(({ name }) => name));
  const conflicted = names(conflicting);
  const replaced = names(flat('Replaces'));
  const provided = flat('Provides');
  return {
    requires: tidy([...wanted('Pre-Depends'), ...wanted('Depends')]),
    recommends: tidy(wanted('Recommends')),
    provides: tidy(provided.map((it) => (it.constraint ? rpmRelation(it) : `${it.name} = ${ANY_VERSION}`))),
    conflicts: tidy(conflicting.map(rpmRelation)),
    obsoletes: tidy([...names(provided)].filter((name) => name !== self && conflicted.has(name) && replaced.has(name))),
  };
}

function rpmAlternatives(alternatives: readonly Relation[]): string {
  const [only, ...others] = alternatives.map(rpmRelation);
  return others.length === 0 ? (only ?? '') : `(${[only, ...others].join(' or ')})`;
}

/**
 * Always with a release: RPM takes `foo < 1.2` without one to mean any release of 1.2, Debian takes it to be
 * release 0.
 */
function rpmRelation({ name, constraint }: Relation): string {
  if (!constraint) return name;
  return `${name} ${OPERATORS[constraint.operator]} ${formatEvr(evrOfDebianVersion(constraint.version))}`;
}

const tidy = (lines: readonly string[]): readonly string[] =>
  [...new Set(lines)].filter((line) => line !== '').sort(byText);
