import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { providersOf, type Unmet, unmetNeeds } from '../../rpm/depsolve-problems.ts';
import { parseNevra } from '../../rpm/evr.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import type { RepoPackage } from '../../rpm/primary.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { offeredPackages } from '../../treefile/treefile-repos.ts';
import { type Changes, promotedLockfile } from './promote-lockfile.ts';
import { composeCache } from './promote-packages.ts';

/**
 * Returns a failed depsolve in the words of who asked for it: what must be overridden as well, with all that needs in
 * turn, or what an exclusion breaks. Any other error is given back as it is.
 */
export async function explainDepsolve(
  error: unknown,
  project: RpmProject,
  { night, changes }: { readonly night: Night; readonly changes: Changes },
  task: Task,
): Promise<unknown> {
  const { overrides, excludes } = changes;
  if (!(error instanceof NightlyError) || !['depsolve', 'package-missing'].includes(error.code)) return error;
  if (overrides.length + excludes.length === 0) return error;
  const offered = await offeredPackages(project.treefile, { locked: true }, task);
  const unmet = unmetNeeds(error.message);
  const broken = unmet.flatMap((one) => brokenBy(one, excludes, offered));
  const asked = [...overrides.map((one) => `--override ${one}`), ...excludes.map((one) => `--exclude ${one}`)].join(
    ' ',
  );
  const what = `The packages of the nightly build do not fit together with ${asked}`;
  if (broken.length > 0) {
    return new NightlyError('depsolve', `${what}:\n${broken.map((line) => `  ${line}`).join('\n')}`, {
      hint: 'Keep the package, or exclude what needs it as well.',
      cause: error,
    });
  }
  const { along, needs: chain } = await followChain(unmet, { project, night, changes, offered }, task);
  if (along.length > 0) {
    const needs = chain.map(({ lacks, needer }) => `  ${needer} needs ${lacks}`).join('\n');
    const list = along.map((nevra) => `  ${nevra}`).join('\n');
    return new NightlyError('depsolve', `${what}:\n${needs}\nThese must move along:\n${list}`, {
      hint: `Add ${along.map((nevra) => `--override ${nevra}`).join(' ')}`,
      cause: error,
    });
  }
  return new NightlyError('depsolve', `${what}:\n${error.message}`, {
    hint: 'No repository has what is missing. Choose another package, or a later nightly build.',
    cause: error,
  });
}

/**
 * Returns what must move along, and what that needs in turn: depsolves over what the repositories have, each with what
 * the one before asked for, until one succeeds or asks for nothing more that there is.
 */
async function followChain(
  first: readonly Unmet[],
  about: { project: RpmProject; night: Night; changes: Changes; offered: readonly RepoPackage[] },
  task: Task,
): Promise<{ readonly along: string[]; readonly needs: readonly Unmet[] }> {
  const { project, night, changes, offered } = about;
  const [along, needs] = [new Set<string>(), [...first]];
  for (let unmet = first; ; ) {
    const overrides = [...changes.overrides, ...along];
    const more = unmet.flatMap((one) => movesAlong(one, overrides, offered)).filter((nevra) => !along.has(nevra));
    if (more.length === 0) return { along: [...along].toSorted(), needs };
    for (const nevra of more) along.add(nevra);
    const next = { ...changes, overrides: [...changes.overrides, ...along] };
    unmet = await unmetWith(project, await promotedLockfile(project, night, next, async () => offered), task);
    needs.push(...unmet);
  }
}

/**
 * Returns what a depsolve over the repositories lacks with exactly these packages; nothing is downloaded but metadata.
 */
async function unmetWith(project: RpmProject, lockfile: Lockfile, task: Task): Promise<Unmet[]> {
  const { treefile, repo, engine } = project;
  try {
    await engine.resolve({ treefile, cacheDir: composeCache(project), repo, lockfile }, task);
    return [];
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'depsolve') return unmetNeeds(error.message);
    // A package that only the compose cache still has, for one: what is known so far is said.
    task.signal.throwIfAborted();
    return [];
  }
}

/** Whether the requirement is one that an excluded package met. */
function brokenBy({ lacks, needer }: Unmet, excludes: readonly string[], offered: readonly RepoPackage[]): string[] {
  const providers = providersOf(lacks, offered).map(({ name }) => name);
  const excluded = excludes.find((name) => providers.includes(name) || lacks.split(' ')[0] === name);
  return excluded === undefined ? [] : [`${excluded} is needed by ${needer}, which asks for ${lacks}`];
}

/**
 * Returns what meets the requirement; or, of a package that is tied to the old release of an overridden one, its
 * newest.
 */
function movesAlong({ lacks, needer }: Unmet, overrides: readonly string[], offered: readonly RepoPackage[]): string[] {
  const nameOf = (nevra: string): string => parseNevra(nevra)?.name ?? '';
  const overridden = overrides.map(nameOf);
  const name = nameOf(needer);
  if (!overridden.includes(name)) {
    const [newest] = providersOf(name, offered).filter((one) => one.name === name);
    return newest && `${name}-${newest.evra}` !== needer ? [`${name}-${newest.evra}`] : [];
  }
  const [provider] = providersOf(lacks, offered).filter((one) => !overrides.includes(`${one.name}-${one.evra}`));
  return provider ? [`${provider.name}-${provider.evra}`] : [];
}
