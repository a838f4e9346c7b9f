import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import { isBuildId } from '../../build/build-id.ts';
import { findBuild, surveyBuild } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { isFetched, reopenBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { fetchRecords, findPublishedStream } from '../../steps/images/fetch-build.ts';
import { defineCommand } from '../define.ts';
import { exitCodeOf } from '../exit-code.ts';
import { buildWithCommit, continueBuild } from '../go-on.ts';
import { flag, list, optional } from '../inputs.ts';
import { preparationTask, showAttempt, withLockedProject } from '../open-run.ts';
import { printOutcome } from '../print-outcome.ts';

/**
 * `atomic-nightly images [BUILD]`: makes the images of a build that are missing, or whose image type changed since, from
 * the commit it has; then tests and publishes them. A build that was made on another machine is fetched from the first target
 * of its stream; such machines, and those that make some types only, merge what they made into the record there. Gives the
 * exit code.
 * @throws NightlyError `not-found`, `usage`, those of the targets.
 */
export const images = defineCommand({
  name: 'images',
  section: 'Nightly builds',
  summary: 'make the images of a build that are missing or whose image type changed; test and publish them',
  arguments: { build: optional('BUILD', 'build id; default: the newest with a commit', 'build') },
  options: {
    only: list('TYPES', 'only these image types, as in generic-cloud,iso'),
    json: flag('the result for scripts, on standard output'),
  },
  notes: 'A build that another machine made is fetched from the first target of its stream: docs/jenkins.md.',
  examples: [
    'atomic-nightly images',
    'atomic-nightly images 20261121_01',
    'atomic-nightly images 20261121_01 --only iso',
  ],
  interruptible: true,
  async run({ build: id, only, json }, context) {
    const { config: path, signal, print } = context;
    const config = await loadConfig(path);
    const isHere = id === undefined || (await isKnownHere(config.work, id));
    const here = isHere ? await buildWithCommit(path, id) : undefined;
    const isOwn = here !== undefined && !isFetched(here.paths);
    if (isOwn && only === undefined) return continueBuild('images', id, json, context);
    const build = here?.meta.buildid ?? id ?? '';
    const stream = here?.meta.stream ?? (await findPublishedStream(config, build, preparationTask({ config }, signal)));
    return withLockedProject(context, stream, `images ${build}`, async (project) => {
      refuseUnknown(project, only ?? []);
      const task = preparationTask(project, signal);
      const stored = isOwn ? await findBuild(config.work, build) : await fetchRecords(project, build, task);
      const share = { only };
      const opened = reopenBuild(stored);
      const outcome = await showAttempt(project, opened, context, { resumed: true, force: false, share });
      printOutcome(project, opened, outcome, json, print);
      return exitCodeOf(outcome);
    });
  },
});

/** Whether this machine has a build, be its record damaged: then it is named, and another machine's is not taken for it. */
async function isKnownHere(work: string, id: string): Promise<boolean> {
  if (!isBuildId(id)) return false;
  const { builds, damaged } = await surveyBuild(work, id);
  return builds.length + damaged.length > 0;
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
