import { writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { readCommit } from '../../ostree/objects.ts';
import { type PackageDiff, packageDiff, summarizeDiff } from '../../rpm/pkgdiff.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';

/** Returns what changed in packages between the parent and the new commit, from the commits' own package lists. */
export async function diff(
  project: Project,
  build: Build,
  commits: { readonly parent?: string | undefined; readonly commit: string },
  task: Task,
): Promise<PackageDiff> {
  const before = commits.parent === undefined ? [] : ((await readCommit(project.repo, commits.parent)).packages ?? []);
  const after = (await readCommit(project.repo, commits.commit)).packages ?? [];
  const changes = packageDiff(before, after);
  await writeJson(build.paths.diff, changes);
  task.say(summarizeDiff(changes));
  return changes;
}
