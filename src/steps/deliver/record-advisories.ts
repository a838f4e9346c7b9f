import { join } from 'node:path';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type BuildAdvisories, buildAdvisoriesText } from '../../build/build-advisories.ts';
import { ADVISORIES_FILE } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { fixedAdvisories, summarizeAdvisories } from '../../rpm/fixed-advisories.ts';
import type { PackageDiff } from '../../rpm/pkgdiff.ts';
import { readRepoAdvisories } from '../../rpm/repodata.ts';
import type { RepoDefinition } from '../../rpm/repofile.ts';
import type { Advisory } from '../../rpm/updateinfo.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { treefileRepos } from '../../treefile/treefile-repos.ts';

/**
 * Records which advisories the package changes bring, by the updateinfo of the treefile's repositories. Where none has updateinfo
 * there is no record. One that cannot be read is named in the record, and stops nothing: the packages are there.
 */
export async function recordAdvisories(
  { treefile }: Project,
  { paths }: Build,
  diff: PackageDiff,
  task: Task,
): Promise<Pick<BuildMeta, 'advisories' | 'advisoriesUnread'>> {
  if (treefile === undefined || !diff.some(([, kind]) => kind === 2)) return {};
  const repos = await treefileRepos(treefile, { locked: true });
  const looks = await Promise.all(repos.map((repo) => lookInto(repo, task)));
  const read = looks.filter(({ advisories }) => advisories !== undefined);
  const unread = looks.filter(({ failed }) => failed).map(({ id }) => id);
  if (read.length === 0 && unread.length === 0) {
    task.say('no repository has updateinfo');
    return {};
  }
  const advisories = fixedAdvisories(
    diff,
    read.flatMap((one) => one.advisories ?? []),
  );
  const record: BuildAdvisories = {
    version: 1,
    repositories: read.map(({ id }) => id).toSorted(),
    ...(unread.length === 0 ? {} : { unread: unread.toSorted() }),
    advisories,
  };
  await writeFileAtomic(join(paths.dir, ADVISORIES_FILE), buildAdvisoriesText(record));
  task.say(summarizeAdvisories(advisories) ?? 'no advisory is about what changed');
  return unread.length === 0 ? { advisories } : { advisories, advisoriesUnread: unread };
}

interface Look {
  readonly id: string;
  /** Undefined for a repository without updateinfo. */
  readonly advisories?: readonly Advisory[] | undefined;
  readonly failed: boolean;
}

async function lookInto(repo: RepoDefinition, task: Task): Promise<Look> {
  try {
    return { id: repo.id, advisories: await readRepoAdvisories(repo, task), failed: false };
  } catch (error) {
    task.signal.throwIfAborted();
    // Why may name a login of the repository: it is for the log, and not for the record.
    task.say(`the advisories of repository "${repo.id}" are not known: ${asNightlyError(error).message}`);
    return { id: repo.id, failed: true };
  }
}
