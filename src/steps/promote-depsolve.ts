import { NightlyError } from '../errors.ts';
import { providersOf, type Unmet, unmetNeeds } from '../rpm/depsolve-problems.ts';
import { parseNevra } from '../rpm/evr.ts';
import type { RepoPackage } from '../rpm/primary.ts';
import type { Project } from '../run/project.ts';
import type { Task } from '../tools/task.ts';
import type { Changes } from './promote-lockfile.ts';
import { offeredPackages } from './promote-packages.ts';

/**
 * A failed depsolve in the words of who asked for it: what must be overridden as well, or what an exclusion breaks. Any
 * other error is given back as it is.
 */
export async function explainDepsolve(
  error: unknown,
  project: Project,
  changes: Changes,
  task: Task,
): Promise<unknown> {
  const { overrides, excludes } = changes;
  if (!(error instanceof NightlyError) || !['depsolve', 'package-missing'].includes(error.code)) return error;
  if (overrides.length + excludes.length === 0) return error;
  const offered = await offeredPackages(project, task);
  const unmet = unmetNeeds(error.message);
  const broken = unmet.flatMap((one) => brokenBy(one, excludes, offered));
  const along = [...new Set(unmet.flatMap((one) => movesAlong(one, overrides, offered)))].toSorted();
  const asked = [...overrides.map((one) => `--override ${one}`), ...excludes.map((one) => `--exclude ${one}`)].join(
    ' ',
  );
  const what = `The night's packages do not fit together with ${asked}`;
  if (broken.length > 0) {
    return new NightlyError('depsolve', `${what}:\n${broken.map((line) => `  ${line}`).join('\n')}`, {
      hint: 'Keep the package, or exclude what needs it as well.',
      cause: error,
    });
  }
  if (along.length > 0) {
    const needs = unmet.map(({ lacks, needer }) => `  ${needer} needs ${lacks}`).join('\n');
    const list = along.map((nevra) => `  ${nevra}`).join('\n');
    return new NightlyError('depsolve', `${what}:\n${needs}\nThese must move along:\n${list}`, {
      hint: `Add ${along.map((nevra) => `--override ${nevra}`).join(' ')}`,
      cause: error,
    });
  }
  return new NightlyError('depsolve', `${what}:\n${error.message}`, {
    hint: 'No repository has what is missing. Choose another package, or a later night.',
    cause: error,
  });
}

/** Whether the requirement is one that an excluded package met. */
function brokenBy({ lacks, needer }: Unmet, excludes: readonly string[], offered: readonly RepoPackage[]): string[] {
  const providers = providersOf(lacks, offered).map(({ name }) => name);
  const excluded = excludes.find((name) => providers.includes(name) || lacks.split(' ')[0] === name);
  return excluded === undefined ? [] : [`${excluded} is needed by ${needer}, which asks for ${lacks}`];
}

/** What meets the requirement; or, of a package that is tied to the old release of an overridden one, its newest. */
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
