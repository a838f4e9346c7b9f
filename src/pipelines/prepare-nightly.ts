import type { CommitInfo } from '../ostree/objects.ts';
import type { RepositoryState } from '../rpm/repomd.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { folderInputs } from '../steps/compose/folder-inputs.ts';
import { checkRepositories } from '../steps/compose/repositories.ts';
import { type Resolved, resolve } from '../steps/compose/resolve.ts';
import { readParent, seed } from '../steps/compose/seed.ts';

/** What a nightly build is made from, found out before anything is composed. */
export interface PreparedNightly {
  /** The commit it would follow. */
  readonly parent: string | undefined;
  readonly before: CommitInfo | undefined;
  readonly states: readonly RepositoryState[];
  /** Undefined where equal repositories need no depsolve. */
  readonly resolved: Resolved | undefined;
  /** Why there is nothing to build. */
  readonly unchanged: string | undefined;
}

/**
 * Runs the steps of a nightly build up to the depsolve, with every gate among them: the run and the dry run share
 * them.
 * @param options.force depsolve and build although nothing changed
 */
export async function prepareNightly(
  project: Project,
  build: Build,
  runner: Runner,
  { force }: { readonly force: boolean },
): Promise<PreparedNightly> {
  const { stream, ref } = project;
  const { parent } = await runner.step('seed', { ref, url: stream.seed.url }, (task) => seed(project, build, task));
  const before = await readParent(project, parent);
  if (project.treefile === undefined) {
    const resolved = await runner.step('inputs', { parent }, (task) => folderInputs(project, build, before, task));
    const same = resolved.unchanged && parent !== undefined && !force;
    const unchanged = same ? 'what the tree depends on is as it was for the last build' : undefined;
    return { parent, before, states: [], resolved, unchanged };
  }
  const { states, unchanged } = await runner.step('repositories', { parent }, (task) =>
    checkRepositories(project, before, task),
  );
  const known = { parent, before, states };
  if (unchanged && !force) {
    const why = 'treefile and repository metadata are those of the last build';
    return { ...known, resolved: undefined, unchanged: why };
  }
  const resolved = await runner.step('resolve', { parent, states }, (task) => resolve(project, build, before, task));
  const same = resolved.unchanged && parent !== undefined && !force;
  return { ...known, resolved, unchanged: same ? 'the same packages and treefile as the last build' : undefined };
}
