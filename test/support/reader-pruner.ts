import { join } from 'node:path';
import { NightlyError } from '../../src/base/errors.ts';
import type { TargetConfig } from '../../src/config/config.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { pruneTarget } from '../../src/publish/prune/prune-target.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { TEST_REF, TEST_TIME } from './ostree-repo.ts';
import { DAY } from './prune-bed.ts';
import { testTask } from './tmp.ts';

/** The newest commits of the ref that stay, and for how long others do after that, in days. */
const [KEEP, GRACE] = [2, 3];

/**
 * Prunes a target by a clock on which every second is a day, long after the builds were made: a commit goes three seconds
 * after it was given up. @returns what prunes once and tells how many commits were removed, or the code of its error.
 */
export function pruner(place: { readonly work: string; readonly target: TargetConfig; readonly dir: string }) {
  const { work, target: config, dir } = place;
  const begun = Date.now();
  const retention = { refs: [{ pattern: TEST_REF, depth: KEEP }], graceSeconds: GRACE * DAY };
  return async (): Promise<number | string> => {
    const now = TEST_TIME + 100 * DAY + Math.floor(((Date.now() - begun) / 1000) * DAY);
    const target = openTarget(config);
    const request = { log: NO_LOG, target, retention, repo: join(work, 'repo'), scratchDir: join(dir, 'scratch'), now };
    try {
      return (await pruneTarget(request, testTask(dir))).plan.decision.goes.size;
    } catch (error) {
      // Another writer got in between: the next prune goes on.
      if (error instanceof NightlyError && ['locked', 'target-moved'].includes(error.code)) return error.code;
      throw error;
    }
  };
}
