import type { StreamConfig } from '../config/config.ts';
import { formatPlace, NightlyError } from '../errors.ts';
import type { Outcome } from '../pipelines/nightly.ts';
import { planNightly } from '../pipelines/plan-nightly.ts';
import { reserveBuild } from '../run/build.ts';
import { publishedBuildIds } from '../steps/publish-build.ts';
import { exitCodeOf } from './exit-code.ts';
import {
  inScratch,
  preparationTask,
  type RunCommandOptions,
  showAttempt,
  showNotes,
  withLockedProject,
} from './open-run.ts';
import { type Printer, printOutcome, printPlan } from './print.ts';

export interface NightlyCommandOptions extends RunCommandOptions {
  readonly stream?: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** `atomic-nightly nightly`: one night of a stream. Gives the exit code. */
export async function runNightly(options: NightlyCommandOptions, print: Printer): Promise<number> {
  const { stream, force, signal } = options;
  return withLockedProject(options, stream, `nightly ${stream ?? ''}`.trim(), async (project) => {
    refuseRelease(project.stream);
    const notes = project.treefile.notes.map(({ place, message }) => `${formatPlace(place)}: ${message}`);
    showNotes(options, project, [project.engineReason, ...notes]);
    if (options.dryRun) {
      const plan = await inScratch(project, options, (how) => planNightly(project, how));
      printPlan(plan, options.json, print);
      return plan.unchanged ? 10 : 0;
    }
    const task = preparationTask(project, signal);
    const published = await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)));
    const build = await reserveBuild(project, published.flat());
    const outcome: Outcome = await showAttempt(project, build, options, { resumed: false, force });
    printOutcome(project, build, outcome, options.json, print);
    return exitCodeOf(outcome);
  });
}

function refuseRelease({ name, release }: StreamConfig): void {
  if (!release) return;
  throw new NightlyError('usage', `Stream "${name}" is a release stream: it is fed by promotion only.`, {
    hint: `Build a night with "atomic-nightly nightly ${release.promotesFrom}", then "atomic-nightly promote BUILD".`,
  });
}
