import { parseEvra } from '../evr.ts';
import { FormatError } from '../format-error.ts';
import { isPackageName } from '../rpm-names.ts';

/** What the layout of repositories goes by. */
export interface TaggedRpm {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  /** The one in the file name: `x86_64`, `noarch`; `src` or `nosrc` for sources. */
  readonly arch: string;
}

export type RepositoryKind = 'packages' | 'debuginfo' | 'source';

/** A package in a repository. */
export interface PlacedRpm<Rpm> {
  readonly rpm: Rpm;
  /** Relative to the repository, as in `Packages/b/bash-5.1.8-6.el9.x86_64.rpm`. */
  readonly path: string;
}

/** A repository and all that is in it. */
export interface LaidOutRepository<Rpm> {
  readonly kind: RepositoryKind;
  /** The name that the tag has for it; `source` for the one with sources. */
  readonly arch: string;
  /** Sorted by path. */
  readonly rpms: readonly PlacedRpm<Rpm>[];
}

export interface Layout<Rpm> {
  /** One with packages and one with debuginfo an architecture, and one with sources; each may be empty. */
  readonly repositories: readonly LaidOutRepository<Rpm>[];
  /** Packages for an architecture that the tag does not have: they are in no repository. */
  readonly left: readonly Rpm[];
}

/**
 * Lays the packages of a tag out into repositories. One without an architecture (noarch) is in the repository of each; its
 * path and bytes are the same in all of them.
 * @param arches of the tag, as koji has them: `x86_64`, `aarch64`
 * @throws FormatError for what no package can be called
 */
export function layOut<Rpm extends TaggedRpm>(rpms: readonly Rpm[], arches: readonly string[]): Layout<Rpm> {
  const repositories = new Map<string, { kind: RepositoryKind; arch: string; rpms: PlacedRpm<Rpm>[] }>();
  const open = (kind: RepositoryKind, arch: string): void => {
    repositories.set(`${kind} ${arch}`, { kind, arch, rpms: [] });
  };
  for (const arch of arches) {
    open('packages', arch);
    open('debuginfo', arch);
  }
  open('source', 'source');
  const left: Rpm[] = [];
  for (const rpm of rpms) {
    const places = placesOf(rpm, arches).flatMap((place) => repositories.get(place) ?? []);
    for (const place of places) place.rpms.push({ rpm, path: packagePath(rpm) });
    if (places.length === 0) left.push(rpm);
  }
  for (const repository of repositories.values()) repository.rpms.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { repositories: [...repositories.values()], left };
}

function placesOf(rpm: TaggedRpm, arches: readonly string[]): string[] {
  if (isSource(rpm)) return ['source source'];
  const kind = isDebuginfo(rpm.name) ? 'debuginfo' : 'packages';
  const own = canonicalArch(rpm.arch);
  return arches.filter((arch) => own === 'noarch' || canonicalArch(arch) === own).map((arch) => `${kind} ${arch}`);
}

const isSource = ({ arch }: TaggedRpm): boolean => arch === 'src' || arch === 'nosrc';

/** Whether a package has debugging data or the sources for it, by its name: the rule of koji's distRepo. */
export function isDebuginfo(name: string): boolean {
  return /-debug(info|source)$/.test(name) || name.includes('-debuginfo-');
}

/**
 * Returns the path of a package in its repository, below the first letter of its name in lower case.
 * @throws FormatError for what no package can be called
 */
export function packagePath({ name, version, release, arch }: TaggedRpm): string {
  if (!isPackageName(name) || !parseEvra(`${version}-${release}.${arch}`)) {
    throw new FormatError(`${JSON.stringify(`${name}-${version}-${release}.${arch}`)} is not a package`);
  }
  return `Packages/${name.charAt(0).toLowerCase()}/${name}-${version}-${release}.${arch}.rpm`;
}

/** Names of architectures that run on the same machines, each with the one that koji builds and tags by (`koji.canonArch`). */
const CANONICAL: readonly (readonly [RegExp, string])[] = [
  [/^(i.86|athlon)$/, 'i386'],
  [/^ia32e$/, 'x86_64'],
  [/^ppc64le/, 'ppc64le'],
  [/^ppc64/, 'ppc64'],
  [/^sparc64/, 'sparc64'],
  [/^sparc/, 'sparc'],
  [/^alpha/, 'alpha'],
  [/^arm.*h/, 'armhfp'],
  [/^arm/, 'arm'],
];

/** Returns the architecture whose repository has packages of this one: `i386` for `i686`. */
export function canonicalArch(arch: string): string {
  return CANONICAL.find(([names]) => names.test(arch))?.[1] ?? arch;
}
