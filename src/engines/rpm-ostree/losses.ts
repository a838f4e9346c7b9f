import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { isBefore, type RpmOstree } from '../../programs/rpm-ostree.ts';
import { type Lockfile, lockedEntries } from '../../rpm/lockfile.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { needsTwin } from './arguments.ts';
import type { Transcript } from './output.ts';

/** Says what this release cannot do that a run would profit from, and what that costs. */
export function reportLosses(rpmOstree: RpmOstree, treefile: Treefile, task: Task): void {
  for (const loss of lossesOf(rpmOstree, treefile)) task.say(`rpm-ostree ${rpmOstree.version}: ${loss}`);
}

/** One sentence for each thing lost. */
export function lossesOf(rpmOstree: RpmOstree, treefile: Treefile): string[] {
  const { options, version } = rpmOstree;
  const losses: string[] = [];
  if (!options.has('--ex-write-lockfile-to')) {
    losses.push('writes no lockfile; it is taken from the printed transaction and has no digests');
  }
  if (!options.has('--ex-lockfile')) {
    losses.push(
      'cannot be held to a lockfile; a build stops when the repositories change under it, and cannot be redone later',
    );
  }
  if (needsTwin(rpmOstree)) {
    losses.push('composes into a private bare-user repo first; the copy costs time and disk space');
  }
  if (!options.has('--unified-core'))
    losses.push('has no unified core; no package cache: every build unpacks all packages');
  if (isBefore(version, '2018.8') && treefile.values['postprocess-script'] !== undefined) {
    losses.push('does not notice by itself when only the postprocess script changed');
  }
  return losses;
}

/**
 * Compares what rpm-ostree is about to install with a lockfile, because older releases take none, or not strictly.
 * @param why `asked`: somebody asked for these packages; `resolved`: they were resolved a moment ago.
 * @throws NightlyError `unsupported` or `compose`, naming the first differences.
 */
export function compareTransaction(
  rpmOstree: RpmOstree,
  lockfile: Lockfile,
  { packages }: Transcript,
  why: 'asked' | 'resolved',
): void {
  const locked = new Map<string, string[]>();
  for (const { name, evra } of lockedEntries(lockfile)) locked.set(name, [...(locked.get(name) ?? []), evra]);
  const names = [...new Set([...locked.keys(), ...Object.keys(packages)])].toSorted((a, b) => (a < b ? -1 : 1));
  const differences = names.flatMap((name) => {
    const wanted = locked.get(name) ?? [];
    const found = packages[name] ?? [];
    if (wanted.length > 0 && wanted.every((evra) => found.includes(evra))) return [];
    return [`  ${name}: locked ${wanted.join(' and ') || 'not at all'}, found ${found.join(' and ') || 'none'}`];
  });
  if (differences.length === 0) return;
  const shown =
    differences.slice(0, 10).join('\n') + (differences.length > 10 ? `\n  and ${differences.length - 10} more` : '');
  if (why === 'asked' && !rpmOstree.options.has('--ex-lockfile')) {
    throw new NightlyError(
      'unsupported',
      `rpm-ostree ${rpmOstree.version} cannot be held to a lockfile, and the repositories have other packages:\n${shown}`,
      { hint: 'Use rpm-ostree 2020.2 or later (engine.command may name a container), or set "engine: dnf".' },
    );
  }
  throw new NightlyError('compose', `The transaction differs from the lockfile:\n${shown}`, {
    hint: 'The repositories changed meanwhile, or no longer have a locked package; run the build again.',
  });
}
