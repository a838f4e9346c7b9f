import { formatPlace, NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { listBuilds } from '../../build/build-store.ts';
import type { Stop } from '../../build/stops.ts';
import type { StreamConfig } from '../../config/config.ts';
import type { Outcome } from '../../pipelines/nightly.ts';
import { planNightly } from '../../pipelines/plan-nightly.ts';
import { type Build, reopenBuild, reserveBuild } from '../../run/build.ts';
import { isCutShort } from '../../run/cut-short.ts';
import type { Project } from '../../run/project.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { exitCodeOf } from '../exit-code.ts';
import {
  inScratch,
  preparationTask,
  type RunCommandOptions,
  showAttempt,
  showNotes,
  withLockedProject,
} from '../open-run.ts';
import { type Printer, printOutcome, printPlan } from '../print.ts';

export interface NightlyCommandOptions extends RunCommandOptions {
  readonly stream?: string;
  readonly force: boolean;
  /** End well after this step. */
  readonly until?: Stop;
  /** Go on with the stream's last night if it was cut short, instead of beginning another. */
  readonly resume?: boolean;
  /** File that gets the build id as soon as it is known. */
  readonly idFile?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** `atomic-nightly nightly`: one night of a stream. Gives the exit code. */
export async function runNightly(options: NightlyCommandOptions, print: Printer): Promise<number> {
  const { stream, force, until, signal } = options;
  return withLockedProject(options, stream, `nightly ${stream ?? ''}`.trim(), async (project) => {
    refuseRelease(project.stream);
    const notes = project.treefile.notes.map(({ place, message }) => `${formatPlace(place)}: ${message}`);
    showNotes(options, project, [project.engineReason, ...notes]);
    if (options.dryRun) {
      await checkBuildClock(project, [], signal);
      const plan = await inScratch(project, options, (how) => planNightly(project, how));
      printPlan(plan, options.json, print);
      return plan.unchanged ? 10 : 0;
    }
    const begun = options.resume === true ? await cutShort(project) : undefined;
    const build = begun ?? (await reserve(project, signal));
    if (options.idFile !== undefined) await writeFileAtomic(options.idFile, `${build.id}\n`);
    const outcome: Outcome = await showAttempt(project, build, options, { resumed: begun !== undefined, force, until });
    printOutcome(project, build, outcome, options.json, print);
    return exitCodeOf(outcome);
  });
}

async function reserve(project: Project, signal: AbortSignal): Promise<Build> {
  const task = preparationTask(project, signal);
  const published = await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)));
  const clock = await checkBuildClock(project, published.flat(), signal);
  return reserveBuild(project, clock);
}

/** The last night of the stream, when it was cut short and can end as it began. */
async function cutShort({ config, stream, treefile }: Project): Promise<Build | undefined> {
  const last = (await listBuilds(config.work)).find(({ meta }) => meta['atomic-nightly.stream'] === stream.name);
  if (!last || !isCutShort(last)) return undefined;
  const { 'ostree-commit': commit, 'atomic-nightly.treefile-digest': digest } = last.meta;
  return commit !== undefined || digest === treefile.digest ? reopenBuild(last) : undefined;
}

function refuseRelease({ name, release }: StreamConfig): void {
  if (!release) return;
  throw new NightlyError('usage', `Stream "${name}" is a release stream: it is fed by promotion only.`, {
    hint: `Build a night with "atomic-nightly nightly ${release.promotesFrom}", then "atomic-nightly promote BUILD".`,
  });
}
