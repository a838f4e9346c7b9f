import { NightlyError } from '../../base/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { findUnfinished, isFetched, reopenBuild } from '../../run/build.ts';
import { defineCommand } from '../define.ts';
import { exitCodeOf } from '../exit-code.ts';
import { flag, optional } from '../inputs.ts';
import { showAttempt, withLockedBuild } from '../open-run.ts';
import { printOutcome } from '../print-outcome.ts';
import { images } from './images.ts';

/** `atomic-nightly resume [BUILD]`: continues a build that was killed or failed. Gives the exit code. */
export const resume = defineCommand({
  name: 'resume',
  section: 'Nightly builds',
  summary: 'continue a build that was killed, failed or is incomplete',
  arguments: { build: optional('BUILD', 'build id; default: the newest unfinished build', 'build') },
  options: { json: flag('the result for scripts, on standard output') },
  examples: ['atomic-nightly resume', 'atomic-nightly resume 20261121_01'],
  interruptible: true,
  async run({ build: id, json }, context) {
    const { work } = await loadConfig(context.config);
    const stored = await findUnfinished(work, id);
    const { meta } = stored;
    if (isFetched(stored.paths)) return images.run({ build: meta.buildid, only: undefined, json }, context);
    return withLockedBuild(context, stored, 'resume', async (project) => {
      const composes = !meta.retraction && !meta.withdrawal;
      const isNew = composes && meta.ostreeCommit === undefined;
      if (isNew && meta.treefileDigest !== project.definition) {
        throw new NightlyError(
          'treefile',
          `The treefile, or the settings of the engine, changed since build ${meta.buildid} began, so it cannot end as it began.`,
          {
            hint: 'Run "atomic-nightly nightly" for a new build with them as they are now.',
          },
        );
      }
      const outcome = await showAttempt(project, reopenBuild(stored), context, { resumed: true, force: false });
      printOutcome(project, reopenBuild(stored), outcome, json, context.print);
      return exitCodeOf(outcome);
    });
  },
});
