import { writeFileAtomic } from '../../base/files.ts';
import { currentState } from '../../build/about-build.ts';
import { resolveBuildName } from '../../build/build-name.ts';
import { storedMeta } from '../../build/build-record-format.ts';
import { findBuild, surveyBuilds } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { review as gatherReview, type Review } from '../../pipelines/review.ts';
import { render } from '../../reports/pages/render-page.ts';
import { reviewPage, standalone } from '../../reports/pages/review-page.ts';
import { isRunLockHeld } from '../../run/run-lock.ts';
import { defineCommand } from '../define.ts';
import { flag, optionalWithDefault, text } from '../inputs.ts';
import { preparationTask } from '../open-run.ts';
import { printJson } from '../print.ts';
import { reviewLines } from '../review-lines.ts';

/**
 * `atomic-nightly review BUILD`: what those need to know who approve a promotion: what hosts get with it since the last release, how
 * far it is, and the command for each next step. Gives the exit code.
 */
export const review = defineCommand({
  name: 'review',
  section: 'Releases',
  summary: 'show what a build changes since the last release, how far it is, and the commands for the next steps',
  arguments: { build: optionalWithDefault('BUILD', 'build id of a promotion or nightly build', 'latest', 'build') },
  options: {
    since: text('BUILD', 'compare with that build, in place of the last release', { completes: 'build' }),
    html: text('FILE', 'write it as one HTML page instead', { completes: 'file' }),
    json: flag('for scripts'),
  },
  examples: [
    'atomic-nightly review latest:release',
    'atomic-nightly review 20261121_03 --html review.html',
    'atomic-nightly review 20261121_01 --since 20261114_01',
  ],
  interruptible: true,
  async run({ build: id, since, html, json }, { config: path, signal, print }) {
    const config = await loadConfig(path);
    const { work } = config;
    const build = await findBuild(work, id);
    const before = since === undefined ? undefined : await findBuild(work, await resolveBuildName(work, since));
    const state = currentState(build, await isRunLockHeld(work));
    const survey = await surveyBuilds(work);
    const found = await gatherReview(
      config,
      { build, since: before, survey, state },
      preparationTask({ config }, signal),
    );
    if (html !== undefined) {
      await writeFileAtomic(html, standalone(render('review', reviewPage(found, { linked: false }))));
      print(`The review of ${id} is in ${html}.`);
    } else if (json) printJson(storedReview(found), print);
    else for (const line of reviewLines(found)) print(line);
    return 0;
  },
});

/** The record in it with its stored keys, as "show --json" prints it. */
function storedReview({ meta, changes, ...rest }: Review): object {
  if (!changes) return { ...rest, build: storedMeta(meta) };
  const { since, ...others } = changes;
  return { ...rest, build: storedMeta(meta), changes: { since: since.buildid, ...others } };
}
