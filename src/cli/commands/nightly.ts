import { formatPlace, NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import type { BuildSurvey } from '../../build/build-store.ts';
import { EXIT } from '../../build/outcomes.ts';
import { STOPS } from '../../build/stops.ts';
import type { StreamConfig } from '../../config/config.ts';
import type { Outcome } from '../../pipelines/nightly.ts';
import { planNightly } from '../../pipelines/plan-nightly.ts';
import { type Build, reopenBuild, reserveBuild } from '../../run/build.ts';
import { isCutShort } from '../../run/cut-short.ts';
import type { Project } from '../../run/project.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { defineCommand } from '../define.ts';
import { allExitCodes, exitCodeOf } from '../exit-code.ts';
import { choice, flag, optional, text } from '../inputs.ts';
import { inScratch, preparationTask, showAttempt, showNotes, withLockedProject } from '../open-run.ts';
import { printOutcome, printPlan } from '../print-outcome.ts';

/** `atomic-nightly nightly`: one night of a stream. Gives the exit code. */
export const nightly = defineCommand({
  name: 'nightly',
  section: 'Nightly builds',
  summary: 'run a nightly build of a stream: compose, push, build images',
  arguments: { stream: optional('STREAM', 'stream of the configuration; needed when there are several', 'stream') },
  options: {
    force: flag('compose although nothing changed'),
    until: choice(
      'STEP',
      STOPS,
      'stop successfully after this step; with push, the tree is published; "resume" here, or "images" on any machine, makes the images',
    ),
    resume: flag("continue the stream's last nightly build if it was cut short in the last 12 hours"),
    idFile: text('FILE', 'write the build id to this file as soon as it is known', { completes: 'file' }),
    dryRun: flag('print what would change; reserve, compose and publish nothing'),
    json: flag('the result for scripts, on standard output'),
  },
  exitCodes: allExitCodes(),
  examples: [
    'atomic-nightly nightly',
    'atomic-nightly nightly --dry-run',
    'atomic-nightly --log-format json nightly centos --json',
    'atomic-nightly nightly centos --until push --resume',
  ],
  interruptible: true,
  async run({ stream, force, until, resume, idFile, dryRun, json }, context) {
    const { signal, print } = context;
    return withLockedProject(context, stream, `nightly ${stream ?? ''}`.trim(), async (project, survey) => {
      refuseRelease(project.stream);
      const { builds } = survey;
      const notes = (project.treefile?.notes ?? []).map(({ place, message }) => `${formatPlace(place)}: ${message}`);
      showNotes(context, project, [project.engineReason, ...notes]);
      if (dryRun) {
        await checkBuildClock(project, { builds, published: [] }, signal);
        const plan = await inScratch(project, context, (how) => planNightly(project, { ...how, builds, force }));
        printPlan(plan, json, print);
        return plan.unchanged ? EXIT.unchanged : EXIT.done;
      }
      const begun = resume ? cutShort(project, survey) : undefined;
      const build = begun ?? (await reserve(project, builds, signal));
      if (idFile !== undefined) await writeFileAtomic(idFile, `${build.id}\n`);
      const outcome: Outcome = await showAttempt(project, build, context, {
        resumed: begun !== undefined,
        force,
        until,
      });
      printOutcome(project, build, outcome, json, print);
      return exitCodeOf(outcome);
    });
  },
});

async function reserve(project: Project, builds: BuildSurvey['builds'], signal: AbortSignal): Promise<Build> {
  const task = preparationTask(project, signal);
  const published = await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)));
  const clock = await checkBuildClock(project, { builds, published: published.flat() }, signal);
  return reserveBuild(project, clock);
}

/**
 * The last night of the stream, when it was cut short and can end as it began. Where a newer record is damaged it is not known
 * to be the last, and a new night is always right.
 */
function cutShort({ stream, definition }: Project, { builds, damaged }: BuildSurvey): Build | undefined {
  const last = builds.find(({ meta }) => meta.stream === stream.name);
  if (!last || !isCutShort(last)) return undefined;
  if (damaged.some(({ id }) => compareBuildIds(id, last.paths.id) > 0)) return undefined;
  const { ostreeCommit: commit, treefileDigest: digest } = last.meta;
  return commit !== undefined || digest === definition ? reopenBuild(last) : undefined;
}

function refuseRelease({ name, release }: StreamConfig): void {
  if (!release) return;
  throw new NightlyError('usage', `Stream "${name}" is a release stream: it is fed by promotion only.`, {
    hint: `Run a nightly build with "atomic-nightly nightly ${release.promotesFrom}", then "atomic-nightly promote BUILD".`,
  });
}
