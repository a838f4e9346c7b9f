import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { PromotionRecord } from '../../build/build-record.ts';
import { listBuilds } from '../../build/build-store.ts';
import { cycleAt } from '../../build/cycle.ts';
import { inputDigest } from '../../build/journal.ts';
import { lastRelease, promotionsOf, supersededBy } from '../../build/promotions.ts';
import type { Config, ReleaseConfig, StreamConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { findReleaseStream, targetsOf } from '../../config/lookup.ts';
import { type PromotionPlan, planPromotion } from '../../pipelines/plan-promote.ts';
import { formatDiff } from '../../rpm/pkgdiff.ts';
import { type Build, reopenBuild, reserveBuild } from '../../run/build.ts';
import { isCutShort } from '../../run/cut-short.ts';
import type { Project } from '../../run/project.ts';
import { type Night, openNight } from '../../run/promoted-night.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { insistOnOwnRemote } from '../../steps/release/own-remote.ts';
import { openTarget } from '../../targets/open-target.ts';
import { exitCodeOf } from '../exit-code.ts';
import {
  inScratch,
  preparationTask,
  type RunCommandOptions,
  showAttempt,
  showNotes,
  withLockedProject,
} from '../open-run.ts';
import { type Printer, printJson, printOutcome } from '../print.ts';

export interface PromoteCommandOptions extends RunCommandOptions {
  readonly stream?: string;
  readonly recommit: boolean;
  readonly overrides: readonly string[];
  readonly excludes: readonly string[];
  readonly reason?: string;
  readonly upstream?: string;
  readonly acceptDifferences: boolean;
  /** Go on with the last promotion of the night, if it was cut short and asked for the same. */
  readonly resume?: boolean;
  /** File that gets the build id as soon as it is known. */
  readonly idFile?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** `atomic-nightly promote BUILD`: a new build in the release stream, made of a night. Gives the exit code. */
export async function runPromote(id: string, options: PromoteCommandOptions, print: Printer): Promise<number> {
  const { signal, recommit, overrides, excludes } = options;
  if (recommit && overrides.length + excludes.length > 0) {
    throw new NightlyError('usage', '--recommit keeps the tree as it is, so nothing can be overridden or excluded.', {
      hint: 'Leave out --recommit to have the tree rebuilt.',
    });
  }
  const config = await loadConfig(options.config);
  const night = await openNight(config.work, id);
  const from = night.meta['atomic-nightly.stream'];
  if (night.meta['atomic-nightly.state'] === 'incomplete') {
    throw new NightlyError('usage', `Night ${id} is incomplete: something of it is not where it belongs.`, {
      hint: `Run "atomic-nightly resume ${id}" first, or promote a night that is complete.`,
    });
  }
  const { name, release } = findReleaseStream(config, { name: options.stream, from });
  return withLockedProject(
    options,
    name,
    `promote ${id}`,
    async (project) => {
      const state = night.meta['atomic-nightly.state'];
      const warning = state === 'complete' ? [] : [`Night ${id} is ${state}, not complete.`];
      showNotes(options, project, [project.engineReason, ...warning]);
      if (recommit) insistOnOwnRemote(project, night.lockfile);
      const promotion = await promotionRecord(project, night, options, release);
      if (options.dryRun) {
        await checkBuildClock(project, [], signal);
        const plan = await inScratch(project, options, (how) => planPromotion(project, promotion, how));
        if (options.json) printJson(plan, print);
        else printPlan(plan, print);
        return 0;
      }
      const begun = options.resume === true ? await cutShort(config.work, name, promotion) : undefined;
      const reserve = async (): Promise<Build> => {
        const taken = await takenIds(project, config.streams[from], config, signal);
        const clock = await checkBuildClock(project, taken, signal);
        return reserveBuild(project, clock, { 'atomic-nightly.promotion': promotion });
      };
      const build = begun ?? (await reserve());
      if (options.idFile !== undefined) await writeFileAtomic(options.idFile, `${build.id}\n`);
      const outcome = await showAttempt(project, build, options, { resumed: begun !== undefined, force: false });
      printOutcome(project, build, outcome, options.json, print);
      return exitCodeOf(outcome);
    },
    night.treefile,
  );
}

/** What is asked for, with what follows from the builds there are and from the day. */
async function promotionRecord(
  { config, stream }: Project,
  night: Night,
  options: PromoteCommandOptions,
  { cycle }: ReleaseConfig,
): Promise<PromotionRecord> {
  const { recommit, overrides, excludes, reason, acceptDifferences } = options;
  const builds = await listBuilds(config.work);
  const at = cycle && cycleAt(cycle, Math.floor(Date.now() / 1000));
  const upstream = options.upstream ?? at?.upstream?.id;
  const release = lastRelease(builds, stream.name)?.meta.buildid;
  const earlier = supersededBy(builds, night.id, stream.name);
  return {
    of: night.id,
    commit: night.commit,
    stream: night.meta['atomic-nightly.stream'],
    attempt: promotionsOf(builds, night.id, stream.name).length + 1,
    recommit,
    ...(reason === undefined ? {} : { reason }),
    overrides: [...overrides],
    excludes: [...excludes],
    ...(upstream === undefined ? {} : { upstream }),
    ...(at === undefined || at.number === 0 ? {} : { cycle: at.number }),
    ...(release === undefined ? {} : { 'last-release': release }),
    'accept-differences': acceptDifferences,
    supersedes: earlier
      .filter(({ meta }) => meta['atomic-nightly.superseded-by'] === undefined)
      .map(({ meta }) => meta.buildid),
  };
}

/** The last promotion of the night in a stream, when it was cut short and nothing else was asked for. */
async function cutShort(work: string, stream: string, asked: PromotionRecord): Promise<Build | undefined> {
  const [last] = promotionsOf(await listBuilds(work), asked.of, stream);
  const what = (one: PromotionRecord | undefined) =>
    one && inputDigest([one.recommit, one.overrides, one.excludes, one['accept-differences']]);
  const isSame = last && what(last.meta['atomic-nightly.promotion']) === what(asked);
  return isSame && isCutShort(last) ? reopenBuild(last) : undefined;
}

/** Ids that the release's targets and those of the nights name: an id is given out once in the whole project (I3). */
async function takenIds(
  project: Project,
  from: StreamConfig | undefined,
  config: Config,
  signal: AbortSignal,
): Promise<string[]> {
  const task = preparationTask(project, signal);
  const others = (from ? targetsOf(config, from) : []).filter(
    ({ name }) => !project.targets.some((target) => target.name === name),
  );
  const targets = [...project.targets, ...others.map(openTarget)];
  return (await Promise.all(targets.map((target) => publishedBuildIds(target, task)))).flat();
}

function printPlan({ promotion, ref, parent, packages, changes, pkgdiff }: PromotionPlan, print: Printer): void {
  const { of, attempt, upstream, recommit, supersedes } = promotion;
  print(`${recommit ? 'The tree' : 'A rebuild'} of ${of} at ${ref} on top of ${parent ?? 'nothing (a new ref)'}:`);
  print(
    `  attempt ${attempt}${upstream === undefined ? '' : `, for upstream ${upstream}`}, ${packages} packages with good signatures`,
  );
  if (supersedes.length > 0) print(`  in the place of ${supersedes.join(', ')}`);
  if (changes.length > 0) print(`Against the night:\n${formatDiff(changes)}`);
  if (parent !== undefined) print(`Against the last commit of ${ref}:\n${formatDiff(pkgdiff)}`);
}
