import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import { findBuild, listBuilds } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { isFetched, reopenBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { fetchRecords, findPublishedStream } from '../../steps/images/fetch-build.ts';
import { exitCodeOf } from '../exit-code.ts';
import { buildWithCommit, goOn } from '../go-on.ts';
import { preparationTask, type RunCommandOptions, showAttempt, withLockedProject } from '../open-run.ts';
import { type Printer, printOutcome } from '../print.ts';

export interface ImagesCommandOptions extends RunCommandOptions {
  /** Image types; undefined: all. */
  readonly only?: readonly string[];
  readonly json: boolean;
}

/**
 * `atomic-nightly images [BUILD]`: makes the images of a build that are missing, or whose image type changed since, from
 * the commit it has; then tests and publishes them. A build that was made on another machine is fetched from the first target
 * of its stream; such machines, and those that make some types only, merge what they made into the record there. Gives the
 * exit code.
 * @throws NightlyError `not-found`, `usage`, those of the targets.
 */
export async function runImages(
  id: string | undefined,
  options: ImagesCommandOptions,
  print: Printer,
): Promise<number> {
  const { only, signal } = options;
  const config = await loadConfig(options.config);
  const isHere = id === undefined || (await listBuilds(config.work)).some(({ paths }) => paths.id === id);
  const here = isHere ? await buildWithCommit(options.config, id) : undefined;
  const isOwn = here !== undefined && !isFetched(here.paths);
  if (isOwn && only === undefined) return goOn('images', id, options, print);
  const build = here?.meta.buildid ?? id ?? '';
  const stream =
    here?.meta['atomic-nightly.stream'] ??
    (await findPublishedStream(config, build, preparationTask({ config }, signal)));
  return withLockedProject(options, stream, `images ${build}`, async (project) => {
    refuseUnknown(project, only ?? []);
    const task = preparationTask(project, signal);
    const stored = isOwn ? await findBuild(config.work, build) : await fetchRecords(project, build, task);
    const share = only === undefined ? {} : { only };
    const opened = reopenBuild(stored);
    const outcome = await showAttempt(project, opened, options, { resumed: true, force: false, share });
    printOutcome(project, opened, outcome, options.json, print);
    return exitCodeOf(outcome);
  });
}

function refuseUnknown({ stream }: Project, only: readonly string[]): void {
  const unknown = only.find((type) => !stream.images.includes(type));
  if (unknown === undefined) return;
  throw new NightlyError(
    'usage',
    `Stream "${stream.name}" has no image type "${unknown}".${didYouMean(unknown, stream.images)}`,
    { hint: `It has ${stream.images.join(', ') || 'none'}.` },
  );
}
