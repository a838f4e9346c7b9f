import { compareEvr, compareVersions } from './evr.ts';
import type { RepoPackage } from './primary.ts';

/** A requirement that a depsolve could not meet. */
export interface Unmet {
  /** The missing dependency, as in `lib >= 2.0` or `/usr/bin/perl`. */
  readonly lacks: string;
  /** `name-[epoch:]version-release.arch` of the package that asks for it. */
  readonly needer: string;
}

/** Returns the unmet requirements in libsolv's description of a problem, as dnf and rpm-ostree print it; each once. */
export function unmetNeeds(message: string): Unmet[] {
  const found = new Map<string, Unmet>();
  const add = (lacks = '', needer = ''): unknown => found.set(`${lacks}\0${needer}`, { lacks, needer });
  for (const [, lacks, needer] of message.matchAll(/nothing provides (.+?) needed by (\S+)/g)) add(lacks, needer);
  for (const [, needer, lacks] of message.matchAll(/package (\S+) requires (.+?), but none of the providers/g)) {
    add(lacks, needer);
  }
  return [...found.values()];
}

/**
 * Returns the packages that meet a requirement, newest first. Versions are compared with those of the package itself.
 */
export function providersOf(lacks: string, packages: readonly RepoPackage[]): RepoPackage[] {
  const [, name = lacks, operator, evr = ''] = /^(\S+) (<=|>=|=|<|>) (\S+)$/.exec(lacks) ?? [];
  const [, epoch = '0', version = '', release] = /^(?:(\d+):)?([^-]+)(?:-(.+))?$/.exec(evr) ?? [];
  const fits = ({ id }: RepoPackage): boolean => {
    if (operator === undefined) return true;
    // A requirement without a release is met by any.
    const order =
      release === undefined && id.epoch === epoch
        ? compareVersions(id.version, version)
        : compareEvr(id, { epoch, version, release: release ?? '' });
    return (
      (operator.includes('=') && order === 0) ||
      (operator.includes('<') ? order < 0 : operator.includes('>') && order > 0)
    );
  };
  return packages
    .filter((one) => (one.name === name && fits(one)) || (one.name !== name && one.provides.includes(name)))
    .toSorted((a, b) => compareEvr(b.id, a.id));
}
