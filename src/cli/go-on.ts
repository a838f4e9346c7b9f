import { NightlyError } from '../base/errors.ts';
import { findBuild, insistOnWhole, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import { continueHint } from '../build/continue-hint.ts';
import { loadConfig } from '../config/load.ts';
import { reopenBuild } from '../run/build.ts';
import type { RunContext } from './context.ts';
import { exitCodeOf } from './exit-code.ts';
import { showAttempt, withLockedBuild } from './open-run.ts';
import { printOutcome } from './print-outcome.ts';

/**
 * Runs a build that has a commit through its pipeline once more: steps whose result still holds are kept, the others run.
 * @param command what people typed, for those who meet the lock
 * @returns the exit code
 * @throws NightlyError `not-found`, `usage`.
 */
export async function continueBuild(
  command: string,
  id: string | undefined,
  json: boolean,
  context: RunContext,
): Promise<number> {
  const stored = await buildWithCommit(context.config, id);
  return withLockedBuild(context, stored, command, async (project) => {
    const build = reopenBuild(stored);
    const outcome = await showAttempt(project, build, context, { resumed: true, force: false });
    printOutcome(project, build, outcome, json, context.print);
    return exitCodeOf(outcome);
  });
}

/**
 * The build of that id, or the newest with a commit.
 * @throws NightlyError `not-found` when there is none, `usage` when the named one has no commit, `record` when it is damaged or
 * a newer one is.
 */
export async function buildWithCommit(configPath: string, id: string | undefined): Promise<StoredBuild> {
  const { work } = await loadConfig(configPath);
  const stored = id === undefined ? await newestWithCommit(work) : await findBuild(work, id);
  if (!stored) {
    throw new NightlyError('not-found', 'There is no build with a commit yet.', {
      hint: 'Run "atomic-nightly nightly" first.',
    });
  }
  const { meta } = stored;
  if (meta.ostreeCommit === undefined) {
    throw new NightlyError('usage', `Build ${meta.buildid} has no commit.`, {
      hint: `It is ${meta.state}. ${continueHint(meta)}`,
    });
  }
  return stored;
}

async function newestWithCommit(work: string): Promise<StoredBuild | undefined> {
  const survey = await surveyBuilds(work);
  const newest = survey.builds.find(({ meta }) => meta.ostreeCommit !== undefined);
  insistOnWhole(survey, newest?.paths.id);
  return newest;
}
