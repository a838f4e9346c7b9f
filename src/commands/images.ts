import { loadConfig } from '../config/load.ts';
import { NightlyError } from '../errors.ts';
import { reopenBuild } from '../run/build.ts';
import { findBuild, listBuilds, type StoredBuild } from '../run/build-store.ts';
import { exitCodeOf } from './exit-code.ts';
import { type RunCommandOptions, showAttempt, withLockedProject } from './open-run.ts';
import { type Printer, printOutcome } from './print.ts';

/**
 * `atomic-nightly images [BUILD]`: makes the images of a build that are missing, or whose image type changed since, from
 * the commit it has; then tests and publishes them. Gives the exit code.
 */
export async function runImages(
  id: string | undefined,
  options: RunCommandOptions & { readonly json: boolean },
  print: Printer,
): Promise<number> {
  const { work } = await loadConfig(options.config);
  const stored = id === undefined ? await newestWithCommit(work) : await findBuild(work, id);
  const { meta } = stored;
  if (meta['ostree-commit'] === undefined) {
    throw new NightlyError('usage', `Build ${meta.buildid} has no commit to make images of.`, {
      hint: `It is ${meta['atomic-nightly.state']}; "atomic-nightly resume ${meta.buildid}" goes on with it.`,
    });
  }
  return withLockedProject(options, meta['atomic-nightly.stream'], `images ${meta.buildid}`, async (project) => {
    const build = reopenBuild(stored);
    const outcome = await showAttempt(project, build, options, { resumed: true, force: false });
    printOutcome(project, build, outcome, options.json, print);
    return exitCodeOf(outcome);
  });
}

async function newestWithCommit(work: string): Promise<StoredBuild> {
  const found = (await listBuilds(work)).find(({ meta }) => meta['ostree-commit'] !== undefined);
  if (found) return found;
  throw new NightlyError('not-found', 'There is no build with a commit yet.', {
    hint: 'Run "atomic-nightly nightly" first.',
  });
}
