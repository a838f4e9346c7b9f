import { NightlyError } from '../../base/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { findUnfinished, isFetched, reopenBuild } from '../../run/build.ts';
import { exitCodeOf } from '../exit-code.ts';
import { type RunCommandOptions, showAttempt, withLockedBuild } from '../open-run.ts';
import { type Printer, printOutcome } from '../print.ts';
import { runImages } from './images.ts';

export interface ResumeCommandOptions extends RunCommandOptions {
  readonly json: boolean;
}

/** `atomic-nightly resume [BUILD]`: goes on with a build that was killed or failed. Gives the exit code. */
export async function runResume(
  id: string | undefined,
  options: ResumeCommandOptions,
  print: Printer,
): Promise<number> {
  const { work } = await loadConfig(options.config);
  const stored = await findUnfinished(work, id);
  const { meta } = stored;
  if (isFetched(stored.paths)) return runImages(meta.buildid, options, print);
  return withLockedBuild(options, stored, 'resume', async (project) => {
    if (meta['ostree-commit'] === undefined && meta['atomic-nightly.treefile-digest'] !== project.treefile.digest) {
      throw new NightlyError(
        'treefile',
        `The treefile changed since build ${meta.buildid} began, so it cannot end as it began.`,
        {
          hint: 'Run "atomic-nightly nightly" for a new build with the treefile as it is now.',
        },
      );
    }
    const outcome = await showAttempt(project, reopenBuild(stored), options, { resumed: true, force: false });
    printOutcome(project, reopenBuild(stored), outcome, options.json, print);
    return exitCodeOf(outcome);
  });
}
