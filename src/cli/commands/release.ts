import { join, relative } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { findBuild, listBuilds, type StoredBuild } from '../../build/build-store.ts';
import { openJournal } from '../../build/journal.ts';
import { lastRelease } from '../../build/promotions.ts';
import { loadConfig } from '../../config/load.ts';
import { openPlaces, type ReleasePlaces, release } from '../../pipelines/release.ts';
import { releaseJournal, reopenBuild, reserveBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { asNightlyError } from '../../run/runner.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { checkContent, refuseUnreleasable } from '../../steps/release/release-check.ts';
import { exitCodeOf } from '../exit-code.ts';
import {
  preparationTask,
  type RunCommandOptions,
  showAttempt,
  withLockedProject,
  withSinks,
  withSteps,
} from '../open-run.ts';
import { type Printer, printJson, printOutcome } from '../print.ts';

export interface ReleaseCommandOptions extends RunCommandOptions {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly release BUILD`: sends a promotion that was tested to the mirrors and tells everybody. Run again after a
 * failure or a kill, it goes on where it stopped. Gives the exit code.
 * @throws NightlyError `usage`, `gate-failed`, `signing`, `image`, those of the targets.
 */
export async function runRelease(id: string, options: ReleaseCommandOptions, print: Printer): Promise<number> {
  const { work } = await loadConfig(options.config);
  const { meta } = await findBuild(work, id);
  return withLockedProject(options, meta['atomic-nightly.stream'], `release ${id}`, async (project) => {
    const stored = await findBuild(work, id);
    const journal = await openJournal(releaseJournal(stored.paths));
    if (journal.entries.at(-1)?.event === 'end') {
      throw new NightlyError('usage', `Build ${id} was released on ${stored.meta['atomic-nightly.release']?.at}.`, {
        hint: `A release never changes; "atomic-nightly release --withdraw ${id}" takes it back.`,
      });
    }
    refuseUnreleasable(stored.meta, project.stream.release?.approvals ?? 0);
    const places = openPlaces(project);
    if (options.dryRun) {
      printPlan(project, stored, places, print);
      return 0;
    }
    // Not in the journal, which freezes the build: files can change between two attempts, and what is found is mended.
    const about = { build: id, stream: project.stream.name };
    await withSteps(stored.paths.dir, { ...options, about }, (runner) =>
      runner.step('check-release', {}, (task) => checkContent(project, stored, task)),
    );
    const folder = stored.paths.release;
    await withSinks(project, reopenBuild(stored), options, async (_, teller) => {
      try {
        await withSteps(folder, { ...options, about }, (runner) => release(project, stored, places, runner), journal);
      } catch (caught) {
        const error = asNightlyError(caught);
        await teller.add({ type: error.code === 'interrupted' ? 'interrupted' : 'failed' }, error);
        throw error;
      }
      await journal.append({ at: new Date().toISOString(), event: 'end', state: 'complete' });
      const url = `${places.images[0]?.publicUrl}/${relative(work, stored.paths.dir)}/`;
      await teller.add({ type: 'released', url, notes: `${url}release/notes.md` });
    });
    const notes = join(folder, 'notes.md');
    const mail = places.to.mail === undefined || places.to.mail.smtp ? undefined : join(folder, 'announcement.eml');
    if (options.json)
      printJson({ build: id, commit: stored.meta['ostree-commit'], notes, ...(mail && { mail }) }, print);
    else {
      print(`${id} is released.`);
      print(`  tree:   ${places.trees.map(({ publicUrl }) => `${publicUrl}/repo`).join(', ')}, ${stored.meta.ref}`);
      print(`  images: ${places.images.map(({ publicUrl }) => publicUrl).join(', ')}`);
      print(`  notes:  ${notes}`);
      if (mail !== undefined) print(`  mail:   ${mail}, ready to send`);
    }
    return 0;
  });
}

/** `atomic-nightly release --withdraw BUILD`: takes a bad release back, by a build of its own. Gives the exit code. */
export async function runWithdraw(
  id: string,
  options: ReleaseCommandOptions & { readonly reason: string },
  print: Printer,
): Promise<number> {
  const { reason, dryRun, signal } = options;
  const { work } = await loadConfig(options.config);
  const { meta } = await findBuild(work, id);
  return withLockedProject(options, meta['atomic-nightly.stream'], `release --withdraw ${id}`, async (project) => {
    const previous = previousRelease(await findBuild(work, id), await listBuilds(work));
    const { trees } = openPlaces(project);
    if (dryRun) {
      print(
        `${id} would be withdrawn: ${meta.ref} on ${trees.map(({ name }) => name).join(', ')} gets the tree of ${previous} again.`,
      );
      return 0;
    }
    const task = preparationTask(project, signal);
    const taken = await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)));
    const clock = await checkBuildClock(project, taken.flat(), signal);
    const withdrawal = { of: id, previous, reason };
    const build = await reserveBuild(project, clock, { 'atomic-nightly.withdrawal': withdrawal });
    const outcome = await showAttempt(project, build, options, { resumed: false, force: false });
    if (options.json) printOutcome(project, build, outcome, true, print);
    else {
      print(`${id} is withdrawn: ${meta.ref} has the tree of ${previous} again, as ${build.id}.`);
      print('  Hosts get it as an upgrade. Nothing was deleted.');
    }
    return exitCodeOf(outcome);
  });
}

/** The release before the newest one of a stream: its build id. @throws NightlyError `usage` */
function previousRelease({ meta }: StoredBuild, builds: readonly StoredBuild[]): string {
  const { buildid: id, 'atomic-nightly.stream': stream, 'atomic-nightly.release': released } = meta;
  const refuse = (what: string, hint: string): never => {
    throw new NightlyError('usage', `${id} ${what}.`, { hint });
  };
  if (released === undefined) return refuse('was never released', '"atomic-nightly list" shows the releases.');
  const { withdrawn } = released;
  if (withdrawn) return refuse(`was withdrawn on ${withdrawn.at} by ${withdrawn.by}`, 'Nothing is left to do.');
  const begun = builds.find((one) => one.meta['atomic-nightly.withdrawal']?.of === id)?.meta.buildid;
  if (begun !== undefined) {
    return refuse(`is being withdrawn by ${begun}`, `Run "atomic-nightly resume ${begun}" to go on with that.`);
  }
  const newest = lastRelease(builds, stream)?.meta.buildid ?? id;
  if (newest !== id)
    return refuse(`is not the newest release of "${stream}": ${newest} came after it`, 'Hosts have moved on already.');
  const others = builds.filter((one) => one.meta.buildid !== id);
  return (
    lastRelease(others, stream)?.meta.buildid ??
    refuse(`is the only release of "${stream}"`, 'Release another build instead; hosts upgrade to it.')
  );
}

function printPlan(
  project: Project,
  { meta }: StoredBuild,
  { to, trees, images }: ReleasePlaces,
  print: Printer,
): void {
  print(`${meta.buildid} (${meta['ostree-commit']}) would be released:`);
  for (const target of trees) print(`  tree to ${target.describe()}, ${project.ref}`);
  for (const target of images) {
    print(`  images to ${target.describe()}: ${Object.keys(meta.images ?? {}).join(', ') || 'none'}`);
  }
  const { mail } = to;
  print(mail?.smtp ? `  announced to ${mail.to.join(', ')}` : '  nobody is told by mail');
}
