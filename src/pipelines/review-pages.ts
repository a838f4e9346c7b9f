import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { type BuildSurvey, findBuild, surveyBuilds } from '../build/build-store.ts';
import { render } from '../reports/pages/render-page.ts';
import { reviewPage } from '../reports/pages/review-page.ts';
import type { Project } from '../run/project.ts';
import { review } from './review.ts';

/**
 * Makes the review pages of candidates, by build id; nightly builds have none. One that cannot be made is named and left out: the
 * build is no worse for it.
 */
export async function reviewPages(
  { config }: Project,
  ids: readonly string[],
  task: Task,
): Promise<ReadonlyMap<string, string>> {
  const pages = new Map<string, string>();
  let survey: BuildSurvey | undefined;
  for (const id of ids) {
    try {
      const build = await findBuild(config.work, id);
      if (build.meta.promotion === undefined || build.meta.ostreeCommit === undefined) continue;
      survey ??= await surveyBuilds(config.work);
      const found = await review(config, { build, since: undefined, survey, state: build.meta.state }, task);
      pages.set(id, render('review', reviewPage(found, { linked: true })));
    } catch (error) {
      if (!(error instanceof NightlyError) || error.code === 'interrupted') throw error;
      task.say(`there is no review of ${id}: ${error.message}`);
    }
  }
  return pages;
}
