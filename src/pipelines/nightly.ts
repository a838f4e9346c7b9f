import { updateMeta } from '../build/build-store.ts';
import type { Stop } from '../build/stops.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { compose } from '../steps/compose/compose.ts';
import { checkRepositories, rememberInputs } from '../steps/compose/repositories.ts';
import { resolve } from '../steps/compose/resolve.ts';
import { readParent, seed } from '../steps/compose/seed.ts';
import { deliver } from './deliver.ts';
import type { Delivered, Stopped } from './outcome.ts';

/** How a nightly ended; what stops it before anything is published is thrown instead. */
export type Outcome = { readonly state: 'unchanged'; readonly why: string } | Stopped | Delivered;

export interface NightlyOptions {
  /** Compose although nothing changed. */
  readonly force: boolean;
  /** Undefined: to its end. */
  readonly until?: Stop | undefined;
}

/** One night of a stream, a step a line; a resumed build skips what its journal has. */
export async function nightly(
  project: Project,
  build: Build,
  runner: Runner,
  { force, until }: NightlyOptions,
): Promise<Outcome> {
  const { stream, ref } = project;

  const { parent } = await runner.step('seed', { ref, url: stream.seed.url }, (task) =>
    seed(project, build.timestamp, task),
  );
  const before = await readParent(project, parent);

  const { states, unchanged } = await runner.step('repositories', { parent }, (task) =>
    checkRepositories(project, before, task),
  );
  if (unchanged && !force)
    return { state: 'unchanged', why: 'treefile and repository metadata are those of the last build' };

  const resolved = await runner.step('resolve', { parent, states }, (task) => resolve(project, build, before, task));
  if (resolved.unchanged && parent !== undefined && !force) {
    await rememberInputs(project, states, parent);
    return { state: 'unchanged', why: 'the same packages and treefile as the last build' };
  }

  const { inputHash, treefileCopy } = resolved;
  await updateMeta(build.paths, { 'atomic-nightly.treefile-copy': treefileCopy });
  const stopped = { state: 'stopped', failures: [] } as const;
  if (until === 'resolve') return { ...stopped, after: until, left: ['compose', 'push', 'images'] };
  const composed = await runner.step('compose', { parent, inputHash }, (task) =>
    compose(project, build, { ...(parent === undefined ? {} : { parent }), inputHash, states }, task),
  );
  if (until === 'compose') return { ...stopped, after: until, left: ['push', 'images'] };
  const delivery = { composed, inputHash, ...(parent === undefined ? {} : { parent }), ...(until && { until }) };
  return deliver(project, build, delivery, runner, () => rememberInputs(project, states, composed.commit));
}
