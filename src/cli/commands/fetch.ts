import { NightlyError } from '../../base/errors.ts';
import { isBuildId } from '../../build/build-id.ts';
import { surveyBuild } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { isFetched, reopenBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { fetchRecords, findPublishedStream, pullCommit } from '../../steps/images/fetch-build.ts';
import { fetchImages } from '../../steps/images/fetch-images.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { preparationTask, withLockedProject } from '../open-run.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/** `atomic-nightly fetch BUILD`: brings a build that another machine published into the work folder, verified. */
export const fetch = defineCommand({
  name: 'fetch',
  section: 'Looking at builds',
  summary: 'fetch a published build into the work folder: records, commit and images, each verified',
  arguments: { build: needed('BUILD', 'build id') },
  options: {
    images: flag('its images as well'),
    from: text('TARGET', 'target of its stream; default: the first', { completes: 'target' }),
    json: flag('for scripts'),
  },
  notes:
    'Signatures are checked where the stream signs or names keys. A build that was made here is left alone; one that was fetched before ' +
    'is brought up to date. One that was killed is continued by the same command.',
  examples: ['atomic-nightly fetch 20261121_01', 'atomic-nightly fetch 20261121_01 --images --from mirror'],
  interruptible: true,
  async run({ build: id, images, from, json }, context) {
    if (!isBuildId(id)) throw usageError('fetch', `"${id}" is not the id of a build, as in 20261121_01.`);
    const config = await loadConfig(context.config);
    const { builds, damaged } = await surveyBuild(config.work, id);
    if (damaged.length > 0 || builds.some(({ paths }) => !isFetched(paths))) {
      throw new NightlyError('usage', `Build ${id} was made here: there is nothing to fetch.`, {
        hint: `Run "atomic-nightly show ${id}" to see it.`,
      });
    }
    const task = preparationTask({ config }, context.signal);
    const stream = await findPublishedStream(config, id, task, from);
    return withLockedProject(context, stream, `fetch ${id}`, async (project) => {
      const place = { ...project, targets: [targetFrom(project, from)] as const };
      const [target] = place.targets;
      return withSteps(config.work, { ...context, about: { build: id, stream } }, async (runner) => {
        const stored = await fetchRecords(place, id, task, { released: true });
        const { meta, paths } = stored;
        const { ostreeCommit: commit } = meta;
        if (commit !== undefined)
          await runner.step('fetch-commit', {}, (step) => pullCommit(place, reopenBuild(stored), commit, step));
        const fetched = images
          ? await runner.step('fetch-images', {}, (step) => fetchImages(stored, target, step))
          : [];
        if (json)
          printJson(
            { build: id, stream, target: target.name, commit, folder: paths.dir, images: fetched },
            context.print,
          );
        else {
          context.print(`Build ${id} of ${stream}, fetched from ${target.describe()}: ${paths.dir}`);
          for (const path of fetched) context.print(`  ${path}`);
        }
        return 0;
      });
    });
  },
});

function targetFrom({ targets, stream }: Project, name: string | undefined): Project['targets'][0] {
  const [first] = targets;
  const found = name === undefined ? first : targets.find((target) => target.name === name);
  if (found) return found;
  throw usageError('fetch', `Stream "${stream.name}" has no target "${name}".`);
}
