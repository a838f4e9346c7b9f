import { join, relative } from 'node:path';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { NightlyError } from '../../base/errors.ts';
import { readApprovals } from '../../build/approvals.ts';
import { type BuildSurvey, findBuild, insistOnWhole, type StoredBuild } from '../../build/build-store.ts';
import { openJournal } from '../../build/journal.ts';
import { lastRelease } from '../../build/promotions.ts';
import { type UpstreamRecord, writeUpstream } from '../../build/upstream-record.ts';
import { loadConfig } from '../../config/load.ts';
import { compareUpstream } from '../../pipelines/compare-upstream.ts';
import { openReleasePlaces, type ReleasePlaces, release } from '../../pipelines/release.ts';
import { requireNear } from '../../pipelines/require-near.ts';
import { releaseJournal, reopenBuild, reserveBuild } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { requireRebuilds } from '../../steps/release/rebuild-statements.ts';
import { checkContent, refuseUnreleasable } from '../../steps/release/release-check.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { exitCodeOf } from '../exit-code.ts';
import { flag, needed, text } from '../inputs.ts';
import { preparationTask, showAttempt, warn, withLockedProject, withSinks } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';
import { printOutcome } from '../print-outcome.ts';
import { refuseControlCharacters } from '../typed.ts';
import { withSteps } from '../with-steps.ts';

export const releaseCommand = defineCommand({
  name: 'release',
  section: 'Releases',
  summary: 'publish a tested promotion to the mirrors and announce it; or withdraw a release',
  arguments: { build: needed('BUILD', 'build id of a promotion', 'build') },
  options: {
    withdraw: flag(
      'withdraw the release: pointers and tree go back to the release before it, and hosts get that as an upgrade',
    ),
    reason: text('TEXT', 'with --withdraw: reason, stored in the release index'),
    dryRun: flag('print what would be done; change nothing'),
    json: flag('the result for scripts, on standard output'),
  },
  notes: 'Run it again after a failure or a kill to continue where it stopped.',
  examples: [
    'atomic-nightly release 20261121_03 --dry-run',
    'atomic-nightly release 20261121_03',
    'atomic-nightly release --withdraw 20261121_03 --reason "hosts with bonded networks lose them"',
  ],
  interruptible: true,
  async run({ build: id, withdraw, reason, dryRun, json }, context) {
    if (withdraw) {
      if (reason === undefined) throw usageError('release', '--withdraw needs a --reason: users will read it.');
      refuseControlCharacters({ reason });
      return withdrawRelease(id, { reason, dryRun, json }, context);
    }
    if (reason !== undefined) throw usageError('release', '--reason goes with --withdraw.');
    return sendRelease(id, { dryRun, json }, context);
  },
});

interface How {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * Publishes a tested promotion to the mirrors and announces it. Run again after a failure or a kill, it continues
 * where it stopped. Gives the exit code.
 * @throws NightlyError `usage`, `gate-failed`, `signing`, `image`, those of the targets.
 */
async function sendRelease(id: string, { dryRun, json }: How, context: RunContext): Promise<number> {
  const { print } = context;
  const { work } = await loadConfig(context.config);
  const { meta } = await findBuild(work, id);
  return withLockedProject(context, meta.stream, `release ${id}`, async (project) => {
    const stored = await findBuild(work, id);
    const journal = await openJournal(releaseJournal(stored.paths));
    if (journal.entries.at(-1)?.event === 'end') {
      throw new NightlyError('usage', `Build ${id} was released on ${stored.meta.release?.at}.`, {
        hint: `A release never changes; "atomic-nightly release --withdraw ${id}" takes it back.`,
      });
    }
    // Damaged ones are no approvals; whoever wants to release sees why.
    await readApprovals(stored.paths.approvals);
    refuseUnreleasable(stored.meta, project.stream.release?.approvals ?? 0);
    await requireRebuilds(stored, { needed: project.stream.release?.rebuilds ?? 0, config: project.config });
    // Upstream may move while a release that was begun is continued; what it was let through by is kept.
    const isBegun = journal.entries.length > 0;
    if (!isBegun) await requireNearUpstream(project, stored, dryRun, context);
    const places = openReleasePlaces(project);
    if (dryRun) {
      printPlan(project, stored, places, print);
      return 0;
    }
    // Not in the journal, which freezes the build: files can change between two attempts, and what is found is mended.
    const about = { build: id, stream: project.stream.name };
    await withSteps(stored.paths.dir, { ...context, about }, (runner) =>
      runner.step('check-release', {}, (task) => checkContent(project, stored, task)),
    );
    const folder = stored.paths.release;
    await withSinks(project, reopenBuild(stored), context, async (_, teller) => {
      try {
        await withSteps(folder, { ...context, about }, (runner) => release(project, stored, places, runner), journal);
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
    if (json) printJson({ build: id, commit: stored.meta.ostreeCommit, notes, ...(mail && { mail }) }, print);
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

/** Compares with upstream anew, and keeps what was found unless it is a dry run. @throws NightlyError `gate-failed` */
async function requireNearUpstream(
  { config, stream }: Project,
  stored: StoredBuild,
  dryRun: boolean,
  { signal, logFormat }: RunContext,
): Promise<void> {
  const upstream = stream.release?.cycle?.upstream?.compared;
  if (!upstream) return;
  const task = preparationTask({ config }, signal);
  const gate = {
    compare: () => compareUpstream(config, stored, upstream, task),
    keep: async (record: UpstreamRecord) => (dryRun ? undefined : writeUpstream(stored.paths, record)),
    warn: (message: string) => warn([message], logFormat),
  };
  await requireNear(upstream, gate, task);
}

/** Takes a bad release back, by a build of its own. Gives the exit code. */
async function withdrawRelease(
  id: string,
  { reason, dryRun, json }: How & { readonly reason: string },
  context: RunContext,
): Promise<number> {
  const { print, signal } = context;
  const { work } = await loadConfig(context.config);
  const { meta } = await findBuild(work, id);
  return withLockedProject(context, meta.stream, `release --withdraw ${id}`, async (project, survey) => {
    const previous = previousRelease(await findBuild(work, id), survey);
    const { trees } = openReleasePlaces(project);
    if (dryRun) {
      print(
        `${id} would be withdrawn: ${meta.ref} on ${trees.map(({ name }) => name).join(', ')} gets the tree of ${previous} again.`,
      );
      return 0;
    }
    const task = preparationTask(project, signal);
    const taken = await Promise.all(project.targets.map((target) => publishedBuildIds(target, task)));
    const clock = await checkBuildClock(project, { builds: survey.builds, published: taken.flat() }, signal);
    const withdrawal = { of: id, previous, reason };
    const build = await reserveBuild(project, clock, { withdrawal });
    const outcome = await showAttempt(project, build, context, { resumed: false, force: false });
    if (json) printOutcome(project, build, outcome, true, print);
    else {
      print(`${id} is withdrawn: ${meta.ref} has the tree of ${previous} again, as ${build.id}.`);
      print('  Hosts get it as an upgrade. Nothing was deleted.');
    }
    return exitCodeOf(outcome);
  });
}

/**
 * The release before the newest one of a stream: its build id.
 * @throws NightlyError `usage`, `record` when a damaged record may be that of a release in between
 */
function previousRelease({ meta }: StoredBuild, survey: BuildSurvey): string {
  const { builds } = survey;
  const { buildid: id, stream, release: released } = meta;
  const refuse = (what: string, hint: string): never => {
    throw new NightlyError('usage', `${id} ${what}.`, { hint });
  };
  if (released === undefined) return refuse('was never released', '"atomic-nightly list" shows the releases.');
  const { withdrawn } = released;
  if (withdrawn) return refuse(`was withdrawn on ${withdrawn.at} by ${withdrawn.by}`, 'Nothing is left to do.');
  const begun = builds.find((one) => one.meta.withdrawal?.of === id)?.meta.buildid;
  if (begun !== undefined) {
    return refuse(`is being withdrawn by ${begun}`, `Run "atomic-nightly resume ${begun}" to continue that.`);
  }
  const newest = lastRelease(builds, stream)?.meta.buildid ?? id;
  if (newest !== id)
    return refuse(`is not the newest release of "${stream}": ${newest} came after it`, 'Hosts have moved on already.');
  const others = builds.filter((one) => one.meta.buildid !== id);
  const previous = lastRelease(others, stream)?.meta.buildid;
  insistOnWhole(survey, previous);
  return (
    previous ?? refuse(`is the only release of "${stream}"`, 'Release another build instead; hosts upgrade to it.')
  );
}

function printPlan(
  project: Project,
  { meta }: StoredBuild,
  { to, trees, images }: ReleasePlaces,
  print: Printer,
): void {
  print(`${meta.buildid} (${meta.ostreeCommit}) would be released:`);
  for (const target of trees) print(`  tree to ${target.describe()}, ${project.ref}`);
  for (const target of images) {
    print(`  images to ${target.describe()}: ${Object.keys(meta.images ?? {}).join(', ') || 'none'}`);
  }
  const { mail } = to;
  print(mail?.smtp ? `  announced to ${mail.to.join(', ')}` : '  no mail is sent');
}
