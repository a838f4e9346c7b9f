import { findBuild } from '../../build/build-store.ts';
import { loadConfig } from '../../config/load.ts';
import { planRetract, type RetractPlan } from '../../pipelines/plan-retract.ts';
import { reserveBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { defineCommand } from '../define.ts';
import { exitCodeOf } from '../exit-code.ts';
import { flag, needed, text } from '../inputs.ts';
import { preparationTask, showAttempt, withLockedProject } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';
import { printOutcome } from '../print-outcome.ts';
import { refuseControlCharacters } from '../typed.ts';

/** `atomic-nightly retract BUILD`: takes a bad night back, by a build of its own. Gives the exit code. */
export const retract = defineCommand({
  name: 'retract',
  section: 'Nightly builds',
  summary: 'take a bad nightly build back: hosts get the tree of a good one before it, as an upgrade',
  arguments: { build: needed('BUILD', 'build id of the newest published nightly build of its stream', 'build') },
  options: {
    reason: text('TEXT', 'reason, for records and pages; users will read it', { required: true }),
    to: text('BUILD', 'the good nightly build; default: the newest complete one before it with another tree', {
      completes: 'build',
    }),
    dryRun: flag('print what would be done; change nothing'),
    json: flag('the result for scripts, on standard output'),
  },
  notes:
    'Nothing is deleted. "resume" continues a retraction that was killed. "release --withdraw" takes a release back. See docs/bad-night.md.',
  examples: [
    'atomic-nightly retract 20261121_01 --reason "does not boot on UEFI" --dry-run',
    'atomic-nightly retract 20261121_01 --reason "does not boot on UEFI"',
    'atomic-nightly retract 20271226_01 --reason "dated in the future" --to 20261120_01',
  ],
  interruptible: true,
  async run({ build: id, reason, to, dryRun, json }, context) {
    const { print, signal } = context;
    refuseControlCharacters({ reason });
    const { work } = await loadConfig(context.config);
    const { meta } = await findBuild(work, id);
    return withLockedProject(context, meta.stream, `retract ${id}`, async (project, { builds }) => {
      const task = preparationTask(project, signal);
      const plan = await planRetract(project, { id, to, reason }, task);
      await project.signer?.check(task);
      const { retraction, after } = plan;
      const taken = (await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)))).flat();
      const bad = [id, ...retraction.between];
      const clock = await checkBuildClock(project, { builds, published: taken, bad }, signal);
      if (dryRun) {
        if (json) printJson({ ref: project.ref, ...retraction, promoted: plan.promoted }, print);
        else printPlan(project, plan, print);
        return 0;
      }
      const build = await reserveBuild(project, clock, { retraction }, after);
      const outcome = await showAttempt(project, build, context, { resumed: false, force: false });
      if (json) printOutcome(project, build, outcome, true, print);
      else {
        const { previous, between } = retraction;
        print(
          `${[id, ...between].join(', ')} retracted: ${project.ref} has the tree of ${previous} again, as ${build.id}.`,
        );
        print('  Hosts get it as an upgrade. Nothing was deleted.');
        for (const one of plan.promoted)
          print(
            `  ${one} was promoted from it and stays: promote another build, or "release --withdraw" it where it is released.`,
          );
      }
      return exitCodeOf(outcome);
    });
  },
});

function printPlan(project: Project, { retraction, promoted }: RetractPlan, print: Printer): void {
  const { of, between, previous } = retraction;
  const names = project.targets.map(({ name }) => name).join(', ');
  print(
    `${[of, ...between].join(', ')} would be retracted: ${project.ref} on ${names} gets the tree of ${previous} again.`,
  );
  print('  Images of what is retracted would no longer be offered. Nothing would be deleted.');
  for (const one of promoted) print(`  ${one} was promoted from it and would stay.`);
}
