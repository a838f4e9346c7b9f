import type { Build } from '../run/build.ts';
import { updateMeta } from '../run/build-store.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { compose } from '../steps/compose.ts';
import { checkRepositories, rememberInputs } from '../steps/repositories.ts';
import { resolve } from '../steps/resolve.ts';
import { readParent, seed } from '../steps/seed.ts';
import { type Delivered, deliver } from './deliver.ts';

/** How a nightly ended; what stops it before anything is published is thrown instead. */
export type Outcome = { readonly state: 'unchanged'; readonly why: string } | Delivered;

/** One night of a stream, a step a line; a resumed build skips what its journal has. */
export async function nightly(project: Project, build: Build, runner: Runner, force: boolean): Promise<Outcome> {
  const { stream, ref } = project;

  const { parent } = await runner.step('seed', { ref, url: stream.seed.url }, (task) =>
    seed(project, build.timestamp, task),
  );
  const before = await readParent(project, parent);

  const { states, unchanged } = await runner.step('repositories', { parent }, (task) =>
    checkRepositories(project, before, task),
  );
  if (unchanged && !force)
    return { state: 'unchanged', why: 'treefile and repository metadata are those of the last night' };

  const resolved = await runner.step('resolve', { parent, states }, (task) => resolve(project, build, before, task));
  if (resolved.unchanged && parent !== undefined && !force) {
    await rememberInputs(project, states, parent);
    return { state: 'unchanged', why: 'the same packages and treefile as the last night' };
  }

  const { inputHash, treefileCopy } = resolved;
  await updateMeta(build.paths, { 'atomic-nightly.treefile-copy': treefileCopy });
  const composed = await runner.step('compose', { parent, inputHash }, (task) =>
    compose(project, build, { ...(parent === undefined ? {} : { parent }), inputHash, states }, task),
  );
  return deliver(project, build, { composed, inputHash, ...(parent === undefined ? {} : { parent }) }, runner, () =>
    rememberInputs(project, states, composed.commit),
  );
}
