import { updateMeta } from '../build/build-store.ts';
import { retractedWith } from '../build/retractions.ts';
import type { Stop } from '../build/stops.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { compose } from '../steps/compose/compose.ts';
import { composeFolder } from '../steps/compose/compose-folder.ts';
import { inputsRecord } from '../steps/compose/inputs-record.ts';
import { rememberInputs } from '../steps/compose/repositories.ts';
import { deliver } from './deliver.ts';
import type { Delivered, Stopped } from './outcome.ts';
import { prepareNightly } from './prepare-nightly.ts';

/** How a nightly ended; what stops it before anything is published is thrown instead. */
export type Outcome = { readonly state: 'unchanged'; readonly why: string } | Stopped | Delivered;

export interface NightlyOptions {
  /** Compose although nothing changed. */
  readonly force: boolean;
  /** Undefined: to its end. */
  readonly until?: Stop | undefined;
}

/** Runs a nightly build of a stream, a step a line; a resumed one skips what its journal has. */
export async function nightly(
  project: Project,
  build: Build,
  runner: Runner,
  { force, until }: NightlyOptions,
): Promise<Outcome> {
  const prepared = await prepareNightly(project, build, runner, { force });
  const { parent, states, resolved } = prepared;
  const remember = async (commit: string): Promise<void> => {
    if (project.treefile !== undefined) await rememberInputs(project, states, commit);
  };
  if (resolved === undefined || prepared.unchanged !== undefined) {
    // Equal packages from other metadata: the next night needs no depsolve to see it.
    if (resolved && parent !== undefined) await remember(parent);
    return { state: 'unchanged', why: prepared.unchanged ?? '' };
  }

  const { inputHash, treefileCopy } = resolved;
  const bad = force ? undefined : await retractedWith(project.config.work, project.stream.name, inputHash);
  if (bad !== undefined) {
    const { retracted, id } = bad;
    return {
      state: 'unchanged',
      why: `made from the same as ${id}, which was retracted (${retracted.reason}); --force builds them`,
    };
  }
  await updateMeta(build.paths, {
    ...(treefileCopy === undefined ? {} : { treefileCopy }),
    inputs: await inputsRecord(states, resolved),
  });
  const stopped = { state: 'stopped', failures: [] } as const;
  if (until === 'resolve') return { ...stopped, after: until, left: ['compose', 'push', 'images'] };
  const inputs = { parent, inputHash };
  const composed = await runner.step('compose', { parent, inputHash }, (task) =>
    project.treefile === undefined
      ? composeFolder(project, build, inputs, task)
      : compose(project, build, { ...inputs, states, ...(treefileCopy && { treefileCopy }) }, task),
  );
  if (until === 'compose') return { ...stopped, after: until, left: ['push', 'images'] };
  const delivery = { composed, inputHash, parent, ...(until && { until }) };
  return deliver(project, build, delivery, runner, () => remember(composed.commit));
}
